// Runs in a page under test: finds what a reader could not see, and adds the result to the page, where the test reads it.
(() => {
  const problems = [];
  const isVisible = (element) => element.getClientRects().length > 0;
  const name = (element) => `${element.tagName.toLowerCase()} "${(element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 60)}"`;
  const width = document.documentElement.clientWidth;

  // Nothing is cut off, neither by the page nor by a box that hides or scrolls what is too wide.
  if (document.documentElement.scrollWidth > width) problems.push(`cut: the page is ${document.documentElement.scrollWidth} wide, the window ${width}`);
  for (const element of document.querySelectorAll("body *")) {
    if (!isVisible(element)) continue;
    const box = element.getBoundingClientRect();
    if (box.right > width + 1 || box.left < -1) problems.push(`cut: ${name(element)} goes from ${box.left} to ${box.right} of ${width}`);
    else if (!element.closest("svg") && getComputedStyle(element).overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1)
      problems.push(`cut: ${name(element)} needs ${element.scrollWidth}, has ${element.clientWidth}`);
  }
  for (const text of document.querySelectorAll("svg text")) {
    if (!isVisible(text)) continue;
    const [box, picture] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
    if (box.left < picture.left - 1 || box.right > picture.right + 1 || box.top < picture.top - 1 || box.bottom > picture.bottom + 1)
      problems.push(`cut: ${name(text)} leaves its chart`);
    if (box.height < 9) problems.push(`small: ${name(text)} is ${box.height} pixels high`);
  }

  // Every chart is drawn: one visible picture, with one line for each name of its legend.
  let charts = 0;
  for (const figure of document.querySelectorAll("figure")) {
    charts += 1;
    const title = figure.querySelector("figcaption b")?.textContent;
    const pictures = [...figure.querySelectorAll("svg")].filter(isVisible);
    if (pictures.length !== 1) { problems.push(`chart: ${title} shows ${pictures.length} pictures`); continue; }
    const box = pictures[0].getBoundingClientRect();
    if (box.width < 250 || box.height < 100) problems.push(`chart: ${title} is ${box.width} by ${box.height}`);
    const lines = [...pictures[0].querySelectorAll("polyline")].filter((line) => line.getAttribute("stroke").includes("--line-"));
    const drawn = lines.filter((line) => line.points.numberOfItems > 1 && line.getTotalLength() > 1);
    const names = figure.querySelectorAll(".key").length;
    if (names === 0 || drawn.length !== names) problems.push(`chart: ${title} draws ${drawn.length} lines for ${names} names`);
  }

  // Texts and the lines of charts have enough contrast to their background: at least 4.5 and 3.
  const colour = (text) => { const parts = text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0]; return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 }; };
  const light = ({ rgb }) => {
    const [r, g, b] = rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const opaque = colour(getComputedStyle(at).backgroundColor);
      if (opaque.alpha === 1) return opaque;
    }
    return { rgb: [255, 255, 255] };
  };
  const ratio = (one, other) => { const [a, b] = [light(one), light(other)].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); };
  const reported = new Set();
  const checkContrast = (element, paint, minimum) => {
    const contrast = ratio(colour(paint), background(element));
    if (contrast >= minimum || reported.has(paint)) return;
    reported.add(paint);
    problems.push(`contrast: ${paint} is ${contrast.toFixed(2)} of ${minimum} in ${name(element)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !isVisible(element) || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    checkContrast(element, element.closest("svg") ? style.fill : style.color, 4.5);
  }
  for (const line of document.querySelectorAll("svg polyline[stroke*='--line-']")) if (isVisible(line)) checkContrast(line, getComputedStyle(line).stroke, 3);

  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const bytes = new TextEncoder().encode(JSON.stringify({ width, dark, charts, problems }));
  const answer = parent.document.createElement("pre");
  answer.id = "inspected";
  answer.textContent = btoa(String.fromCharCode(...bytes));
  parent.document.body.append(answer);
})();
