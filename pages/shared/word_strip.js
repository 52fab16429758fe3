// All text is set as text, never as HTML. Streamlit calls the default function again at each change of
// the data or the theme: handlers are assigned, and the words are only made anew for another text.

const TARGET = 24 // px: the smallest word that a finger can hit
const strips = new WeakMap() // what each strip on the page remembers from one call to the next

const make = (tag, name, ...children) => {
  const element = document.createElement(tag)
  element.className = name
  element.append(...children)
  return element
}

const css = colour => `rgb(${colour.join(" ")})`

// Black or white, whichever has the higher contrast: it is 4.58 or more on any colour.
const inkOn = colour => {
  const [r, g, b] = colour.map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff"
}

// From the theme's background to the last but one of its diverging colours, on the warm and the cool side.
const readRamps = element => {
  const theme = getComputedStyle(element)
  const read = name => theme.getPropertyValue(name).split(",").map(colour => {
    element.style.color = colour
    const parts = getComputedStyle(element).color.match(/[\d.]+/g).slice(0, 3).map(Number)
    element.style.color = ""
    return parts
  })
  const [background] = read("--st-background-color"), colours = read("--st-chart-diverging-colors")
  return { warm: [background, ...colours.slice(1, 5).reverse()], cool: [background, ...colours.slice(5, 9)] }
}

const colourAt = (ramp, share) => {
  const at = share * (ramp.length - 1), i = Math.min(Math.floor(at), ramp.length - 2)
  return ramp[i].map((part, k) => Math.round(part + (at - i) * (ramp[i + 1][k] - part)))
}

const describe = (word, text) => [
  make("div", "head", make("b", "", text), make("span", "value", word.value),
    make("span", "flags", word.flags.join(" · "))),
  make("dl", "", ...word.details.map(([name, number]) =>
    make("div", "", make("dt", "", name), make("dd", "", number)))),
]

// A word that no word is higher than: it holds the panel open, so that nothing below it jumps.
const highest = words => {
  const longest = (a = "", b = "") => b.length > a.length ? b : a
  const details = []
  for (const word of words) word.details.forEach(([name, number], i) => {
    details[i] = [longest(details[i]?.[0], name), longest(details[i]?.[1], number)]
  })
  return { value: "0", flags: [], details }
}

// Padding, not inline blocks: a line never breaks between a word and its comma.
const widen = spans => {
  for (const span of spans) span.style.paddingInline = ""
  const missing = spans.map(span => TARGET + 0.5 - span.getBoundingClientRect().width)
  spans.forEach((span, i) => {
    if (missing[i] > 0) span.style.paddingInline = `calc(var(--side) + ${missing[i] / 2}px)`
  })
}

export default function ({ data, parentElement, setTriggerValue }) {
  const find = selector => parentElement.querySelector(selector)
  const text = find("#text"), scale = find("#scale"), hint = find("#hint"), shown = find("#shown")
  const { pieces, words, names } = data
  if (!strips.has(parentElement)) strips.set(parentElement, { spans: [], texts: [] })
  const strip = strips.get(parentElement)

  text.classList.toggle("large", data.large)
  const written = JSON.stringify(pieces)
  if (strip.written !== written) {
    text.replaceChildren(...pieces.map(piece =>
      make("span", piece.word === null ? "" : "word", piece.text)))
    strip.spans = [...text.querySelectorAll(".word")]
    strip.texts = pieces.filter(piece => piece.word !== null).map(piece => piece.text)
    for (const span of strip.spans) span.setAttribute("role", "button")
    Object.assign(strip, { written, hovered: null, focused: null })
    strip.observer ??= new ResizeObserver(() => text.clientWidth > 0 && widen(strip.spans))
    strip.observer.disconnect()
    strip.observer.observe(text)
    document.fonts.ready.then(() => text.clientWidth > 0 && widen(strip.spans))
  }
  const { spans, texts } = strip
  strip.selected = data.selected

  const mark = () => {
    const entry = strip.focused ?? strip.selected ?? 0
    spans.forEach((span, i) => {
      span.setAttribute("aria-pressed", i === strip.selected)
      span.tabIndex = i === entry ? 0 : -1
    })
  }
  const show = () => {
    const i = strip.hovered ?? strip.focused ?? strip.selected
    if (i === strip.shown) return
    strip.shown = i
    shown.replaceChildren(...(i === null ? [] : describe(words[i], texts[i])))
    hint.classList.toggle("away", i !== null)
  }
  const pick = i => {
    strip.selected = i
    mark()
    show()
    setTriggerValue("pick", i)
  }
  const indexOf = target => {
    const i = spans.indexOf(target)
    return i < 0 ? null : i
  }

  const { warm, cool } = readRamps(text)
  spans.forEach((span, i) => {
    const word = words[i], shade = word.crossed ? 0 : word.shade
    const ramp = shade < 0 ? cool : warm, fill = colourAt(ramp, Math.abs(shade))
    span.style.setProperty("--fill", css(fill))
    span.style.setProperty("--ink", inkOn(fill))
    span.style.setProperty("--hue", css(ramp.at(-1)))
    span.style.setProperty("--size", Math.abs(shade))
    span.classList.toggle("negative", shade < 0)
    span.classList.toggle("marked", word.marked)
    span.classList.toggle("crossed", word.crossed)
    span.classList.toggle("unknown", !word.known)
    span.setAttribute("aria-label", [texts[i], word.value, ...word.flags].filter(Boolean).join(", "))
    span.onfocus = () => { strip.focused = i; mark(); show() }
    span.onblur = () => { strip.focused = null; mark(); show() }
  })

  text.setAttribute("aria-label", names.label)
  hint.textContent = names.hint
  find("#title").textContent = names.legend
  find("#low").textContent = names.low
  find("#high").textContent = names.high
  find("#sizer").replaceChildren(...describe(highest(words), "–"))
  scale.classList.toggle("diverging", data.diverging)
  const stops = data.diverging ? [...cool.toReversed(), ...warm.slice(1)] : warm
  scale.style.setProperty("--ramp", `linear-gradient(to right, ${stops.map(css)})`)
  scale.style.setProperty("--warm", css(warm.at(-1)))
  scale.style.setProperty("--cool", css(cool.at(-1)))

  text.onpointerover = ({ target }) => {
    const i = indexOf(target)
    if (i === null && target !== text) return // the space on the way to the next word
    strip.hovered = i
    show()
  }
  text.onpointerleave = () => { strip.hovered = null; show() }
  text.onpointerdown = event => { strip.pressed = event }
  text.onclick = event => {
    const i = indexOf(event.target), { clientX = 0, clientY = 0 } = strip.pressed ?? event
    const dragged = event.detail > 0 && Math.hypot(event.clientX - clientX, event.clientY - clientY) > 4
    if (i !== null && !dragged) pick(i)
  }
  text.onkeydown = event => {
    const i = indexOf(event.target), last = spans.length - 1
    if (i === null || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return
    const rightwards = getComputedStyle(text).direction === "rtl" ? -1 : 1
    const goals = { ArrowLeft: i - rightwards, ArrowRight: i + rightwards, Home: 0, End: last }
    if (event.key in goals) spans[Math.min(Math.max(goals[event.key], 0), last)].focus()
    else if (event.key !== "Enter" && event.key !== " ") return
    else if (!event.repeat) pick(i)
    event.preventDefault()
  }

  strip.shown = undefined
  mark()
  show()
  return () => {
    strip.observer.disconnect()
    strips.delete(parentElement)
  }
}
