// All text is set as text, never as HTML; ** sets what is between it in bold.
const write = (element, text) => {
  element.replaceChildren(...text.split("**").map((part, i) => {
    if (i % 2 === 0) return part
    const bold = document.createElement("strong")
    bold.textContent = part
    return bold
  }))
  element.hidden = !text
}

const optionOf = (option, data, choose) => {
  const button = document.createElement("button"), note = document.createElement("span")
  button.type = "button"
  button.className = option.right ? "right" : option.guessed ? "guessed" : ""
  button.disabled = !data.open
  button.setAttribute("aria-pressed", option.guessed)
  note.className = "note"
  note.textContent = [option.right && `✓ ${data.right}`, option.guessed && data.guess].filter(Boolean).join(" · ")
  button.append(option.text, note)
  button.onclick = () => choose(option.key)
  return button
}

export default function ({ data, parentElement, setTriggerValue }) {
  const find = id => parentElement.querySelector(`#${id}`)
  const options = find("options")
  for (const part of ["head", "question", "prompt", "answer", "why"]) write(find(part), data[part])
  options.replaceChildren(...data.options.map(option =>
    optionOf(option, data, key => setTriggerValue("guess", key))))
  options.hidden = !data.options.length
  find("card").classList.toggle("large", data.large)
}
