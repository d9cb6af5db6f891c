// What the tests ask of a page that is open.
var look = {
  headings: () => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((heading) => Number(heading.tagName[1])),

  // How far the page is wider than the window.
  overflow: () => document.documentElement.scrollWidth - document.documentElement.clientWidth,

  unfold: () => document.querySelectorAll("details").forEach((details) => (details.open = true)),

  // A page may show some of its pictures only when they are chosen.
  choices: () => document.querySelectorAll("input[type=radio]").length,
  choose: (choice) => document.querySelectorAll("input[type=radio]")[choice].click(),

  pictures: () => {
    const page = document.documentElement.clientWidth;
    return [...document.querySelectorAll("svg")].map((svg) => {
      const box = scroller(svg).getBoundingClientRect();
      const shapes = [...svg.querySelectorAll("path, polyline, polygon, line, circle, rect")];
      return {
        label: svg.getAttribute("aria-label"),
        shown: svg.checkVisibility() && box.width > 0 && box.height > 0,
        within: box.left >= 0 && box.right <= page + 0.5,
        marks: shapes.filter((shape) => visible(shape) && size(shape) > 0).length,
      };
    });
  },

  // The pictures of each group of panes, by the rows in which they stand: how many there are in each row, and the smallest
  // size of a font in pixels.
  panes: () =>
    [...document.querySelectorAll(".panes")].map((panes) => {
      const pictures = [...panes.querySelectorAll("svg")];
      const tops = pictures.map((svg) => Math.round(svg.getBoundingClientRect().top));
      const rows = [...new Set(tops)].map((top) => tops.filter((other) => other === top).length);
      const sizes = [...panes.querySelectorAll("text")].map((text) => {
        const svg = text.closest("svg");
        return (parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width) / svg.viewBox.baseVal.width;
      });
      return { rows, smallest: Math.min(...sizes) };
    }),

  // What is folded away and not shown, and the figures whose colours the browser may leave out of print.
  unprinted: () => {
    const hidden = [...document.querySelectorAll("details > *")].filter((part) => part.getBoundingClientRect().height === 0);
    const pale = [...document.querySelectorAll("svg")].filter((svg) => getComputedStyle(svg).printColorAdjust !== "exact");
    return [...hidden, ...pale].map((element) => element.outerHTML.slice(0, 80));
  },

  // The cells of heatmaps that are shown: the texts that they are to say when pointed at, and where they are.
  cells: () => {
    const titles = [...document.querySelectorAll("svg title")];
    const cells = titles.filter((title) => / at .* × .*: /.test(title.textContent) && title.parentNode.checkVisibility());
    return cells.map((title) => ({ says: title.textContent, at: middle(title.parentNode) }));
  },

  // What is said at a place of the window.
  said: ([x, y]) => document.elementFromPoint(x, y)?.querySelector(":scope > title")?.textContent,

  // The same by where the pointer really is.
  pointed: () => [...document.querySelectorAll("svg :hover > title")].map((title) => title.textContent).pop(),

  // Every text that is shown, with its contrast to what is behind it, as WCAG 2.2 defines it.
  texts: () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) {
      const text = walker.currentNode.textContent.trim();
      const element = walker.currentNode.parentElement;
      if (text === "" || !element.checkVisibility() || element.closest("style, script, title")) continue;
      const drawn = element.closest("svg") !== null;
      const style = getComputedStyle(element);
      const behind = drawn ? shapeBehind(element) : background(element);
      const colour = over(rgba(drawn ? style.fill : style.color), behind);
      texts.push({ text, drawn, contrast: contrast(colour, behind) });
    }
    return texts;
  },
};

// The figure around a picture that scrolls by itself where the page is narrow; else the picture.
var scroller = (svg) => {
  const figure = svg.closest("figure");
  const scrolls = figure !== null && getComputedStyle(figure).overflowX === "auto";
  return scrolls ? figure : svg;
};

var visible = (shape) => {
  const { fill, fillOpacity, stroke } = getComputedStyle(shape);
  return (fill !== "none" && fillOpacity > 0) || stroke !== "none";
};

var size = (shape) => {
  const { width, height } = shape.getBoundingClientRect();
  return Math.max(width, height);
};

var middle = (element) => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [left + width / 2, top + height / 2];
};

// Red, green, blue and opacity of any colour that CSS can write.
var rgba = (colour) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d");
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [red, green, blue, opacity] = canvas.getImageData(0, 0, 1, 1).data;
  return [red, green, blue, opacity / 255];
};

var over = ([red, green, blue, opacity], behind) =>
  [red, green, blue].map((part, index) => opacity * part + (1 - opacity) * behind[index]).concat(1);

// What is painted behind an element of the page.
var background = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
  const window = document.body.appendChild(document.createElement("div"));
  window.style.background = "Canvas";
  layers.push(rgba(getComputedStyle(window).backgroundColor));
  window.remove();
  return layers.reduceRight((behind, layer) => over(layer, behind), [0, 0, 0, 1]);
};

// What is painted behind a text of a picture: the topmost shape there that is filled.
var shapeBehind = (text) => {
  const [x, y] = middle(text);
  const under = document.elementsFromPoint(x, y).filter((element) => element.closest("text") === null);
  for (const element of under) {
    if (element.closest("svg") === null || element.tagName === "svg") return background(element);
    const { fill, fillOpacity } = getComputedStyle(element);
    if (fill !== "none" && fillOpacity > 0) return over(rgba(fill), [255, 255, 255, 1]);
  }
  return background(document.body);
};

var luminance = (colour) => {
  const [red, green, blue] = colour.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

var contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
