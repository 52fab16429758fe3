export default function ({ data, parentElement, setStateValue }) {
  const find = selector => parentElement.querySelector(selector)
  const input = find("input"), output = find("output"), landmarks = find("#landmarks")
  const { name, radius, radii, labels, signal } = data
  const last = radii.length - 1
  const nearest = wanted => radii.reduce(
    (best, value, i) => Math.abs(value - wanted) < Math.abs(radii[best] - wanted) ? i : best, 0)
  const say = value => {
    output.textContent = `ρ = ${Number(value.toPrecision(6))}`
    input.setAttribute("aria-valuetext", output.textContent)
  }
  const draw = value => {
    for (const bound of document.querySelectorAll(`input[type="hidden"][name="${signal}"]`)) {
      if (bound.value === String(value)) continue
      bound.value = value
      bound.dispatchEvent(new Event("input"))
    }
  }
  const palette = getComputedStyle(input).getPropertyValue("--st-chart-categorical-colors").split(",")
  const middle = 100 * nearest(1) / last
  input.style.setProperty("--track",
    `linear-gradient(to right, ${palette[1]}, ${palette[2]} ${middle}%, ${palette[0]})`)
  find("#name").textContent = name
  input.max = last
  landmarks.replaceChildren(...labels.map(label => {
    const mark = document.createElement("span")
    mark.textContent = label
    mark.style.left = `${100 * nearest(label) / last}%`
    return mark
  }))
  if (!input.matches(":active")) {
    input.value = nearest(radius)
    say(radius)
    draw(radius)
  }
  input.oninput = () => { say(radii[input.value]); draw(radii[input.value]) }
  input.onchange = () => setStateValue("radius", radii[input.value])
}
