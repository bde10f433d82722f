/** Draws a sales report: tiles, a chart of stacked bars, and a table. */

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 300;
const MARGIN = {top: 8, right: 0, bottom: 26, left: 52};

let observer = null;

/**
 * @param {object} report what the task example.sales_report.build returns; amounts
 *     are decimal numbers written as text, months are days in ISO form
 */
export function drawReport(report) {
  const look = formats(report.currency);
  drawTiles(report, look);
  drawLegend(report);
  drawTable(report, look);
  const box = document.getElementById('report-chart');
  observer?.disconnect();
  box.replaceChildren();
  observer = new ResizeObserver(() => drawChart(box, report, look));
  observer.observe(box);
}

function formats(currency) {
  const language = document.documentElement.lang || 'en';
  const number = (options) => new Intl.NumberFormat(language, options);
  const month = (length) => {
    const format = new Intl.DateTimeFormat(language, {month: length, timeZone: 'UTC'});
    return (day) => format.format(new Date(`${day}T00:00Z`));
  };
  return {
    money: number({style: 'currency', currency, maximumFractionDigits: 0}),
    short: number({style: 'currency', currency, notation: 'compact'}),
    exact: number({minimumFractionDigits: 2, maximumFractionDigits: 2}),
    percent: number({style: 'percent', signDisplay: 'exceptZero', maximumFractionDigits: 1}),
    long: month('long'),
    abbreviated: month('short'),
    narrow: month('narrow'),
  };
}

function drawTiles(report, look) {
  const {months, products, total, previous_total: before} = report;
  const sold = months.filter((month) => Number(month.total) > 0);
  const best = sold.reduce((a, b) => (Number(b.total) > Number(a.total) ? b : a), sold[0]);
  const change = Number(before) > 0 ? Number(total) / Number(before) - 1 : null;
  const tiles = [
    [`Sales in ${report.year}`, look.money.format(total), `${sold.length} months`],
    ['Change', change === null ? 'first year' : look.percent.format(change),
      change === null ? '' : `${report.year - 1}: ${look.money.format(before)}`],
    ['Best month', best ? look.long(best.month) : '–', best ? look.money.format(best.total) : ''],
    ['Best seller', products[0] ?? '–',
      products.length ? look.money.format(sum(months, products[0])) : ''],
  ];
  document.getElementById('report-tiles').replaceChildren(...tiles.map(
    ([title, value, note]) => html('div', {class: 'tile'},
      html('dt', {}, title), html('dd', {}, value, html('small', {}, note)))));
}

function drawLegend(report) {
  const square = (number) => svg('svg', {viewBox: '0 0 10 10', 'aria-hidden': 'true'},
    svg('rect', {class: `series-${number}`, width: 10, height: 10, rx: 2}));
  const dash = svg('svg', {viewBox: '0 0 10 10', 'aria-hidden': 'true'},
    svg('line', {class: 'before', x1: 0, x2: 10, y1: 5, y2: 5}));
  document.getElementById('report-legend').replaceChildren(
    ...report.products.map((name, at) => html('span', {}, square(at + 1), name)),
    html('span', {}, dash, `Month's total in ${report.year - 1}`));
}

function drawTable(report, look) {
  const {months, products} = report;
  const amount = (value) => html('td', {}, value === undefined ? '–' : look.exact.format(value));
  const head = (text) => html('th', {scope: 'col'}, text);
  const side = (text) => html('th', {scope: 'row'}, text);
  document.getElementById('report-table').replaceChildren(
    html('caption', {}, `Sales in ${report.year} by month and product, in ${report.currency}`),
    html('thead', {}, html('tr', {}, head('Month'), ...products.map(head),
      head(`Total, ${report.currency}`), head(String(report.year - 1)))),
    html('tbody', {}, ...months.map((month) => html('tr', {},
      side(look.long(month.month)),
      ...products.map((name) => amount(month.amounts[name])),
      amount(month.total), amount(month.previous)))),
    html('tfoot', {}, html('tr', {}, side('Year'),
      ...products.map((name) => amount(sum(months, name))),
      amount(report.total), amount(report.previous_total))));
}

/** Whole hundredths are added, so that the sum of decimals stays exact. */
function sum(months, product) {
  const cents = months.reduce(
    (all, month) => all + Math.round(Number(month.amounts[product] ?? 0) * 100), 0);
  return cents / 100;
}

function drawChart(box, report, look) {
  const width = box.clientWidth;
  const top = scaleEnd(report.months);
  const inner = HEIGHT - MARGIN.top - MARGIN.bottom;
  const y = (value) => MARGIN.top + inner * (1 - value / top);
  const slot = (width - MARGIN.left - MARGIN.right) / report.months.length;
  const name = width > 560 ? look.abbreviated : look.narrow;
  const lines = [0, 0.25, 0.5, 0.75, 1].map((share) => [
    svg('line', {class: 'grid', x1: MARGIN.left, x2: width, y1: y(top * share), y2: y(top * share)}),
    svg('text', {x: MARGIN.left - 8, y: y(top * share) + 4, 'text-anchor': 'end'},
      look.short.format(top * share)),
  ]);
  const bars = report.months.map((month, at) => drawMonth(
    month, report, look, {x: MARGIN.left + at * slot, slot, y, name: name(month.month)}));
  const first = !box.firstChild;
  box.replaceChildren(svg('svg', {
    class: first ? 'growing' : '', viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: 'img',
    'aria-label': `Sales in ${report.year} by month, stacked by product. `
      + 'The table below has the same numbers.',
  }, ...lines.flat(), ...bars));
}

function drawMonth(month, report, look, {x, slot, y, name}) {
  const bar = Math.min(slot * 0.62, 46);
  const left = x + (slot - bar) / 2;
  let base = 0;
  const parts = report.products.map((product, at) => {
    const value = Number(month.amounts[product] ?? 0);
    base += value;
    return svg('rect', {class: `series-${at + 1}`, x: left, width: bar,
      y: y(base), height: Math.max(y(base - value) - y(base), 0)});
  });
  const before = Number(month.previous);
  if (before > 0) {
    parts.push(svg('line', {class: 'before', x1: left - 4, x2: left + bar + 4,
      y1: y(before), y2: y(before)}));
  }
  const detail = report.products.map(
    (product) => `${product}: ${look.money.format(month.amounts[product] ?? 0)}`);
  return svg('g', {class: 'month'},
    svg('title', {}, [`${look.long(month.month)}: ${look.money.format(month.total)}`,
      ...detail, `Year before: ${look.money.format(month.previous)}`].join('\n')),
    svg('rect', {class: 'hit', x, y: MARGIN.top, width: slot,
      height: HEIGHT - MARGIN.top - MARGIN.bottom}),
    ...parts,
    svg('text', {x: x + slot / 2, y: HEIGHT - 8, 'text-anchor': 'middle'}, name));
}

/** A round number above the highest month. */
function scaleEnd(months) {
  const highest = Math.max(1, ...months.flatMap(
    (month) => [Number(month.total), Number(month.previous)]));
  const unit = 10 ** Math.floor(Math.log10(highest));
  return [1, 1.2, 1.6, 2, 2.4, 3, 4, 6, 8, 10].map((factor) => factor * unit)
    .find((end) => end >= highest);
}

function html(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
