// What can be checked by machine of a page that everybody can use. Returns one line for each fault.
() => {
  const faults = [];
  const name = (element) => `${element.tagName.toLowerCase()}${element.id ? "#" + element.id : ""}${typeof element.className === "string" && element.className ? "." + element.className.trim().replace(/\s+/g, ".") : ""} "${(element.textContent ?? "").trim().slice(0, 40)}"`;
  const isShown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && !element.closest("[hidden]");
  const all = [...document.querySelectorAll("body *")].filter(isShown);
  const dialog = document.querySelector("dialog[open]");
  const shown = dialog ? all.filter((element) => dialog.contains(element)) : all;

  // Names
  const named = (element) => {
    const labelledBy = (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => id && document.getElementById(id)?.textContent).join("");
    const labels = [...(element.labels ?? [])].map((label) => label.textContent).join("");
    const images = [...element.querySelectorAll("img")].map((image) => image.alt).join("");
    return (element.getAttribute("aria-label") ?? "") + labelledBy + labels + (element.matches("button, a, summary") ? element.textContent + images : "");
  };
  for (const element of shown.filter((one) => one.matches("input, select, textarea, button, a[href], summary, dialog, progress, [role=img], [role=region], [role=group], nav, aside"))) {
    if (!named(element).trim()) {
      faults.push(`has no name: ${name(element)}`);
    }
  }
  shown.filter((element) => element.matches("img:not([alt])")).forEach((element) => faults.push(`has no alt: ${element.src}`));
  document.querySelectorAll("[aria-describedby], [aria-labelledby]").forEach((element) => {
    for (const id of `${element.getAttribute("aria-describedby") ?? ""} ${element.getAttribute("aria-labelledby") ?? ""}`.split(" ").filter(Boolean)) {
      if (isShown(element) && !document.getElementById(id)) {
        faults.push(`refers to nothing (${id}): ${name(element)}`);
      }
    }
  });
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => faults.push(`id twice: ${id}`));

  // Structure
  if (!document.documentElement.lang) faults.push("no language");
  if (!document.title) faults.push("no title");
  if (all.filter((element) => element.matches("main")).length !== 1) faults.push("not one main");
  const headings = shown.filter((element) => element.matches("h1, h2, h3, h4, h5, h6"));
  if (!dialog && headings.filter((heading) => heading.tagName === "H1").length !== 1) faults.push("not one h1");
  const levels = headings.filter((heading) => !heading.closest("aside")).map((heading) => Number(heading.tagName[1]));
  levels.forEach((level, i) => i > 0 && level > levels[i - 1] + 1 && faults.push(`heading leaps from ${levels[i - 1]} to ${level}: ${headings[i].textContent}`));
  shown.filter((element) => element.matches("table")).forEach((table) => {
    if (!table.caption?.textContent.trim()) faults.push("table without caption");
    table.querySelectorAll("th:not([scope])").forEach((cell) => faults.push(`header without scope: ${cell.textContent}`));
  });
  document.querySelectorAll("ul > :not(li), ol > :not(li), dl > :not(dt, dd, div)").forEach((element) => faults.push(`does not belong into a list: ${name(element)}`));
  document.querySelectorAll("button button, a button, button a").forEach((element) => faults.push(`control within a control: ${name(element)}`));
  document.querySelectorAll("[tabindex]").forEach((element) => element.tabIndex > 0 && faults.push(`order by tabindex: ${name(element)}`));

  // Targets of 24 by 24 (WCAG 2.2, 2.5.8); links within text are excepted.
  shown.filter((element) => element.matches("button, input, select, summary, nav a")).forEach((element) => {
    const box = element.getBoundingClientRect();
    if (box.width < 24 || (box.height < 24 && !(element.matches("[type=checkbox]") && box.height >= 20))) {
      faults.push(`too small to hit (${Math.round(box.width)}x${Math.round(box.height)}): ${name(element)}`);
    }
  });

  // Contrast (WCAG 1.4.3, 1.4.11): text against the nearest opaque ground, edges of fields against theirs.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, ground) => top.slice(0, 3).map((value, i) => value * top[3] + ground[i] * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const layer = rgba(getComputedStyle(one).backgroundColor);
      if (layer[3] > 0) layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), rgba(getComputedStyle(document.body).backgroundColor).slice(0, 3));
  };
  const luminance = (color) => {
    const [r, g, b] = color.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  const check = (element, color, below, least, what) => {
    const ratio = contrast(over(rgba(color), below), below);
    if (ratio < least) faults.push(`contrast of ${what} ${ratio.toFixed(2)} < ${least}: ${name(element)}`);
  };
  for (const element of shown) {
    const style = getComputedStyle(element);
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (hasText && !element.closest("[disabled], .visually-hidden, .skip, option")) {
      const size = parseFloat(style.fontSize);
      const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      check(element, element instanceof SVGElement ? style.fill : style.color, ground(element), isLarge ? 3 : 4.5, "text");
    }
    if (element.matches("input:not([type=checkbox], [type=file]), select, textarea")) {
      check(element, style.borderTopColor, ground(element.parentElement), 3, "edge");
      if (element.placeholder) check(element, getComputedStyle(element, "::placeholder").color, ground(element), 4.5, "placeholder");
    }
    if (element.matches(".trace, .lane, .ring")) {
      check(element, style.stroke, ground(element), 3, "line");
    }
  }
  return [...new Set(faults)];
}
