const NOT_IN_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g

function save(blob, file) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(blob)
  link.download = file
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href))
}

function xml(picture) {
  return new XMLSerializer().serializeToString(picture).replace(NOT_IN_XML, "")
}

function asUrl(blob) {
  return new Promise(resolve => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result)
    reader.readAsDataURL(blob)
  })
}

async function fonts(picture) {
  const used = new Set()
  for (const text of picture.querySelectorAll("text"))
    for (const family of getComputedStyle(text).fontFamily.split(","))
      used.add(family.trim().replace(/["']/g, ""))
  const faces = []
  for (const sheet of document.styleSheets) {
    let rules = []
    try { rules = sheet.cssRules } catch { continue } // that of an extension: not ours to read
    for (const rule of rules) {
      const family = rule.style?.getPropertyValue("font-family").replace(/["']/g, "")
      const source = /url\(["']?([^"')]+)/.exec(rule.cssText)
      if (!(rule instanceof CSSFontFaceRule) || !used.has(family) || !source) continue
      const address = new URL(source[1], sheet.href ?? document.baseURI)
      const font = await fetch(address).then(found => found.blob()).then(asUrl, () => null)
      if (font) faces.push(rule.cssText.replace(source[1], font))
    }
  }
  return faces.join("")
}

async function png(picture, clone, scale) {
  const style = document.createElementNS("http://www.w3.org/2000/svg", "style")
  style.textContent = await fonts(picture)
  clone.prepend(style)
  const image = new Image()
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(xml(clone))
  await image.decode()
  const canvas = document.createElement("canvas")
  canvas.width = scale * picture.clientWidth
  canvas.height = scale * picture.clientHeight
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height)
  return new Promise(resolve => canvas.toBlob(resolve, "image/png"))
}

export default function ({ data, parentElement }) {
  const row = parentElement.querySelector(".row")
  row.replaceChildren(...Object.entries(data.labels).map(([kind, label]) => {
    const button = document.createElement("button")
    button.type = "button"
    button.textContent = label
    button.onclick = async () => {
      const picture = document.querySelector("svg.marks")
      if (!picture) return
      const clone = picture.cloneNode(true)
      const background = getComputedStyle(button).getPropertyValue("--st-background-color")
      clone.setAttribute("style", `background: ${background}`)
      const blob = kind === "png"
        ? await png(picture, clone, data.scale)
        : new Blob([xml(clone)], { type: "image/svg+xml" })
      save(blob, `${data.name}.${kind}`)
    }
    return button
  }))
}
