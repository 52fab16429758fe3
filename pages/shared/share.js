export default function ({ data, parentElement, setStateValue }) {
  const find = selector => parentElement.querySelector(selector)
  const link = location.href, field = find("textarea"), said = find("[role=status]")
  const { names, code } = data, known = data.link === link
  if (!known) setStateValue("link", link)
  field.value = link
  field.setAttribute("aria-label", names.link)
  const image = find("img"), without = find(".code p")
  image.hidden = !known || code === null
  image.alt = names.code
  if (code === null) image.removeAttribute("src")
  else image.src = code
  without.hidden = !known || code !== null
  without.textContent = names.without
  const button = find("button")
  button.textContent = names.copy
  button.onclick = async () => {
    field.select() // what can't be copied for the reader is ready for their own Ctrl+C
    const copied = navigator.clipboard // browsers have it on https and on this machine only
      ? await navigator.clipboard.writeText(link).then(() => true, () => false)
      : document.execCommand("copy")
    said.textContent = copied ? names.copied : names.by_hand
  }
}
