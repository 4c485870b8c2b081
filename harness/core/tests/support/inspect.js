// Runs in a page that is looked at by a test: finds what a reader would miss, and leaves it in the page for the test to read.
(() => {
  const problems = [];
  const seen = (element) => element.getClientRects().length > 0;
  const name = (element) => `${element.tagName.toLowerCase()} "${(element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 60)}"`;
  const width = document.documentElement.clientWidth;

  // Nothing is cut, neither by the page nor by a box that hides or scrolls what is too wide.
  if (document.documentElement.scrollWidth > width) problems.push(`cut: the page is ${document.documentElement.scrollWidth} wide, the window ${width}`);
  for (const element of document.querySelectorAll("body *")) {
    if (!seen(element)) continue;
    const box = element.getBoundingClientRect();
    if (box.right > width + 1 || box.left < -1) problems.push(`cut: ${name(element)} goes from ${box.left} to ${box.right} of ${width}`);
    else if (!element.closest("svg") && getComputedStyle(element).overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1)
      problems.push(`cut: ${name(element)} needs ${element.scrollWidth}, has ${element.clientWidth}`);
  }
  for (const text of document.querySelectorAll("svg text")) {
    if (!seen(text)) continue;
    const [box, picture] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
    if (box.left < picture.left - 1 || box.right > picture.right + 1 || box.top < picture.top - 1 || box.bottom > picture.bottom + 1)
      problems.push(`cut: ${name(text)} leaves its chart`);
    if (box.height < 9) problems.push(`small: ${name(text)} is ${box.height} pixels high`);
  }

  // Every chart is drawn: one picture, and in it a line for each name of its legend.
  let charts = 0;
  for (const figure of document.querySelectorAll("figure")) {
    charts += 1;
    const title = figure.querySelector("figcaption b")?.textContent;
    const pictures = [...figure.querySelectorAll("svg")].filter(seen);
    if (pictures.length !== 1) { problems.push(`chart: ${title} shows ${pictures.length} pictures`); continue; }
    const box = pictures[0].getBoundingClientRect();
    if (box.width < 250 || box.height < 100) problems.push(`chart: ${title} is ${box.width} by ${box.height}`);
    const lines = [...pictures[0].querySelectorAll("polyline")].filter((line) => line.getAttribute("stroke").includes("--line-"));
    const drawn = lines.filter((line) => line.points.numberOfItems > 1 && line.getTotalLength() > 1);
    const names = figure.querySelectorAll(".key").length;
    if (names === 0 || drawn.length !== names) problems.push(`chart: ${title} draws ${drawn.length} lines for ${names} names`);
  }

  // What is written stands out from what is behind it, and so do the lines of a chart.
  const colour = (text) => { const parts = text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0]; return { rgb: parts.slice(0, 3), alpha: parts[3] ?? 1 }; };
  const light = ({ rgb }) => {
    const [r, g, b] = rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = colour(getComputedStyle(at).backgroundColor);
      if (found.alpha === 1) return found;
    }
    return { rgb: [255, 255, 255] };
  };
  const ratio = (one, other) => { const [a, b] = [light(one), light(other)].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); };
  const asked = new Set();
  const ask = (element, paint, least) => {
    const found = ratio(colour(paint), behind(element));
    const told = `contrast: ${paint} is ${found.toFixed(2)} of ${least} in ${name(element)}`;
    if (found < least && !asked.has(paint)) { asked.add(paint); problems.push(told); }
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !seen(element) || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    ask(element, element.closest("svg") ? style.fill : style.color, 4.5);
  }
  for (const line of document.querySelectorAll("svg polyline[stroke*='--line-']")) if (seen(line)) ask(line, getComputedStyle(line).stroke, 3);

  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const bytes = new TextEncoder().encode(JSON.stringify({ width, dark, charts, problems }));
  const answer = parent.document.createElement("pre");
  answer.id = "inspected";
  answer.textContent = btoa(String.fromCharCode(...bytes));
  parent.document.body.append(answer);
})();
