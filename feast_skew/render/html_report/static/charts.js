"use strict";
// The charts of one feature, drawn from its data. Texts reach the page as text alone, colours come from the style sheet.
const charts = (() => {
  const VERDICTS = ["fail", "error", "inconclusive", "warn", "pass"];
  const SHAPES = [d3.symbolSquare, d3.symbolCross, d3.symbolDiamond, d3.symbolTriangle, d3.symbolCircle];
  const ROW = 34;

  const share = (v) => (v === null ? "–" : v === 0 ? "0\u00a0%" : `${d3.format(v >= 0.1 ? ".3~r" : ".2~r")(100 * v)}\u00a0%`);
  const moment = (v) => new Date(1000 * v).toISOString().slice(0, 16).replace("T", " ");
  const plain = (v) => {
    if (v === null) return "–";
    const size = Math.abs(v);
    if (size >= 1e5) return d3.format(".3~s")(v).replace("G", " bn");
    return d3.format(size && size < 1e-3 ? ".2~e" : ",.4~r")(v);
  };
  const duration = (v) => {
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) if (Math.abs(v) >= size) return `${plain(+(v / size).toPrecision(3))} ${unit}`;
    return `${plain(+v.toPrecision(3))} s`;
  };

  // A linear scale, or one that is linear about zero and logarithmic beyond, where a few values are far larger than most.
  function scale(values, range, moments) {
    let [low, high] = d3.extent(values);
    if (low === high) [low, high] = [low - (Math.abs(low) * 0.1 || 1), high + (Math.abs(high) * 0.1 || 1)];
    if (moments) {
      const made = d3.scaleUtc([new Date(1000 * low), new Date(1000 * high)], range).nice();
      return Object.assign((v) => made(new Date(1000 * v)), { axis: made, ticks: made.ticks(4), write: made.tickFormat(4), bent: false });
    }
    const sizes = values.map(Math.abs).filter((v) => v > 0);
    const middle = d3.median(sizes) || 1, largest = d3.max(sizes) || 1;
    if (largest / middle < 100) {
      const made = d3.scaleLinear([low, high], range).nice(5);
      const ticks = made.ticks(4), alike = new Set(ticks.map(plain)).size < ticks.length;
      // Large numbers that differ in their last digits alone: two of them, by these.
      return Object.assign((v) => made(v), { axis: made, ticks: alike ? [ticks[0], ticks[ticks.length - 1]] : ticks, write: alike ? (v) => `…${d3.format(",.0f")(v).slice(-7)}` : plain, bent: false });
    }
    const from = Math.floor(Math.log10(middle)), to = Math.floor(Math.log10(largest)), step = Math.max(1, Math.ceil((to - from + 1) / 3));
    const made = d3.scaleSymlog([Math.min(low, 0), Math.max(high, 0)], range).constant(10 ** from);
    const powers = d3.range(to, from - 1, -step).map((k) => 10 ** k);
    const ticks = [...powers.map((v) => -v), 0, ...powers].filter((v) => v >= low && v <= high);
    return Object.assign((v) => made(v), { axis: made, ticks, write: plain, bent: true });
  }

  function axes(svg, x, y, box, labels) {
    const bottom = d3.axisBottom(x.axis).tickValues(x.ticks).tickFormat(x.write).tickSizeOuter(0).tickSize(4);
    const left = d3.axisLeft(y.axis).tickValues(y.ticks).tickFormat(y.write).tickSizeOuter(0).tickSize(4);
    svg.append("g").attr("class", "axis").attr("transform", `translate(0,${box.bottom})`).call(bottom);
    svg.append("g").attr("class", "axis").attr("transform", `translate(${box.left},0)`).call(left);
    svg.append("text").attr("class", "said").attr("x", box.right).attr("y", box.bottom + 34).attr("text-anchor", "end").text(`${labels[0]} →`);
    svg.append("text").attr("class", "said").attr("x", 0).attr("y", 11).text(`↑ ${labels[1]}`);
  }

  // A figure with its heading, an empty drawing and a caption that says in words what is drawn.
  function figure(parent, title, caption, height) {
    const made = d3.select(parent).append("figure");
    made.append("h3").text(title);
    const width = Math.max(260, Math.round(made.node().clientWidth) || 340);
    const svg = made.append("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("role", "img").attr("aria-label", `${title}. ${caption}`);
    made.append("figcaption").text(caption);
    return { made, svg, width, box: { left: 58, right: width - 10, top: 22, bottom: height - 40 } };
  }

  function numbers(made, heads, rows) {
    const more = made.append("details");
    more.append("summary").text("Numbers of this chart");
    const table = more.append("div").attr("class", "wide").append("table");
    table.append("thead").append("tr").selectAll("th").data(heads).join("th").attr("scope", "col").attr("class", (_, i) => (i ? "n" : null)).text((d) => d);
    table.append("tbody").selectAll("tr").data(rows).join("tr").selectAll("td").data((d) => d).join("td").attr("class", (_, i) => (i ? "n" : null)).text((d) => d);
  }

  function trend(parent, [rows, limit], runs) {
    const known = rows.filter((row) => row[2] !== null);
    const [last] = rows.slice(-1), bad = rows.filter((row) => row[1] === 0).length;
    const said = limit === null ? "" : ` The dashed line is the limit, ${share(limit)}.`;
    const caption = `Share of wrong entities in ${rows.length} runs up to this one, with bounds; ${bad} of them failed. Now ${share(last[2])}, ${VERDICTS[last[1]]}.${said}`;
    const { made, svg, box } = figure(parent, "Trend", caption, 220);
    const at = rows.map((row) => new Date(runs[row[0]]));
    const span = d3.extent(at);
    if (+span[0] === +span[1]) span[0] = new Date(span[0] - 864e5);
    const time = d3.scaleUtc(span, [box.left + 6, box.right - 6]);
    const most = d3.max([limit, ...known.flatMap((row) => [row[2], row[4]])]) || 0.001;
    const height = d3.scaleLinear([0, most], [box.bottom, box.top]).nice(4);
    const x = { axis: time, ticks: time.ticks(4), write: time.tickFormat(4) };
    axes(svg, x, { axis: height, ticks: height.ticks(4), write: share }, box, ["run", "wrong"]);
    const inside = (row) => row[2] !== null, place = (row) => time(new Date(runs[row[0]]));
    svg.append("path").attr("class", "band").attr("d", d3.area().defined((r) => r[3] !== null && r[4] !== null).x(place).y0((r) => height(r[3])).y1((r) => height(r[4]))(rows));
    if (limit !== null) svg.append("path").attr("class", "limit").attr("d", `M${box.left},${height(limit)}H${box.right}`);
    svg.append("path").attr("class", "curve").attr("d", d3.line().defined(inside).x(place).y((r) => height(r[2]))(rows));
    svg.selectAll("path.mark").data(rows).join("path").attr("class", (r) => `mark v${r[1]}`)
      .attr("transform", (r) => `translate(${place(r)},${height(r[2] ?? 0)})`).attr("d", (r) => d3.symbol(SHAPES[r[1]], 44)())
      .append("title").text((r) => `${runs[r[0]]}: ${VERDICTS[r[1]]}, ${share(r[2])} wrong`);
    numbers(made, ["run", "verdict", "wrong", "at least", "at most"], rows.map((r) => [runs[r[0]], VERDICTS[r[1]], share(r[2]), share(r[3]), share(r[4])]).reverse());
  }

  function limits(parent, rows) {
    const caption = `Each number as a multiple of its limit, the dashed line: ${rows.map((r) => `${r[0]} ${plain(r[2])} times, ${VERDICTS[r[4]]}`).join("; ")}. Thick lines are bounds.`;
    const { svg, box } = figure(parent, "Against the limits", caption, 46 + ROW * rows.length);
    box.left = 10;
    const most = d3.max([2, ...rows.flatMap((r) => [r[2], r[3]])]);
    const x = most > 12 ? d3.scaleSymlog([0, most], [box.left, box.right]) : d3.scaleLinear([0, most], [box.left, box.right]);
    const powers = d3.range(0, Math.log10(most) + 1).map((k) => 10 ** k).filter((v) => v <= most);
    const ticks = most > 12 ? [0, ...powers.filter((_, i) => i % Math.ceil(powers.length / 4) === 0)] : x.ticks(4);
    svg.append("g").attr("class", "axis").attr("transform", `translate(0,${box.bottom})`).call(d3.axisBottom(x).tickValues(ticks).tickFormat((v) => `${plain(v)}×`).tickSize(4).tickSizeOuter(0));
    svg.append("path").attr("class", "limit").attr("d", `M${x(1)},6V${box.bottom}`);
    rows.forEach(([name, low, value, high, verdict], i) => {
      const y = 10 + ROW * i, g = svg.append("g");
      g.append("text").attr("x", box.left).attr("y", y + 5).text(name);
      if (low !== null || high !== null) g.append("path").attr("class", "whisker").attr("d", `M${x(low ?? 0)},${y + 16}H${x(high ?? most)}`);
      g.append("path").attr("class", `mark v${verdict}`).attr("transform", `translate(${x(value)},${y + 16})`).attr("d", d3.symbol(SHAPES[verdict], 60)());
    });
  }

  function bins(parent, [labels, offline, online]) {
    const largest = d3.greatest(d3.range(labels.length), (i) => Math.abs(online[i] - offline[i]));
    const change = online[largest] === offline[largest] ? "Both are alike in every bin."
      : `The largest change is in “${labels[largest]}”: ${share(offline[largest])} offline, ${share(online[largest])} online.`;
    const caption = `Share of entities per bin, offline and online, over ${labels.length} shared bins. ${change}`;
    const line = 24, { made, svg, width, box } = figure(parent, "Distributions", caption, 34 + line * labels.length);
    const key = made.insert("div", "svg").attr("class", "quiet");
    for (const side of ["offline", "online"]) { key.append("span").attr("class", `key ${side}`); key.append("span").text(side); }
    const short = (text) => (text.length > 21 ? `${text.slice(0, 8)}…${text.slice(-12)}` : text);
    box.left = Math.min(0.42 * width, 14 + 6.6 * d3.max(labels, (d) => short(d).length));
    const x = d3.scaleLinear([0, d3.max([...offline, ...online]) || 1], [box.left, box.right]).nice(4);
    const bottom = line * labels.length + 6;
    svg.append("g").attr("class", "axis").attr("transform", `translate(0,${bottom})`).call(d3.axisBottom(x).ticks(4).tickFormat(share).tickSizeOuter(0).tickSize(4));
    labels.forEach((label, i) => {
      const y = 4 + line * i, g = svg.append("g");
      g.append("title").text(`${label}: ${share(offline[i])} offline, ${share(online[i])} online`);
      g.append("text").attr("x", box.left - 8).attr("y", y + 13).attr("text-anchor", "end").text(short(label));
      g.append("rect").attr("class", "offline").attr("x", box.left).attr("y", y).attr("width", x(offline[i]) - box.left).attr("height", 8);
      g.append("rect").attr("class", "online").attr("x", box.left).attr("y", y + 9).attr("width", x(online[i]) - box.left).attr("height", 8);
    });
    numbers(made, ["bin", "offline", "online", "change"], labels.map((label, i) => [label, share(offline[i]), share(online[i]), `${online[i] < offline[i] ? "−" : "+"}${share(Math.abs(online[i] - offline[i]))}`]));
  }

  // Offline across, online up, and the line on which both are equal.
  function square(parent, title, caption, xs, ys, moments) {
    const all = [...xs, ...ys], bent = scale(all, [0, 1], moments).bent ? " Scales are logarithmic away from zero." : "";
    const drawn = figure(parent, title, caption + bent, 280), { svg, box } = drawn;
    const x = scale(all, [box.left, box.right], moments), y = scale(all, [box.bottom, box.top], moments);
    const ends = d3.extent(all);
    axes(svg, x, y, box, ["offline", "online"]);
    svg.append("path").attr("class", "guide").attr("d", `M${x(ends[0])},${y(ends[0])}L${x(ends[1])},${y(ends[1])}`);
    return { ...drawn, x, y };
  }

  function quantiles(parent, [percents, offline, online], moments) {
    const write = moments ? moment : plain, middle = percents.indexOf(50);
    const told = middle < 0 ? "" : ` The medians are ${write(offline[middle])} offline and ${write(online[middle])} online.`;
    const caption = `Quantiles p${percents[0]} to p${percents[percents.length - 1]} of online against those of offline; on the dotted line both are equal.${told}`;
    const { made, svg, x, y } = square(parent, "Quantiles", caption, offline, online, moments);
    const points = percents.map((p, i) => [p, offline[i], online[i]]);
    svg.append("path").attr("class", "curve").attr("d", d3.line().x((d) => x(d[1])).y((d) => y(d[2]))(points));
    svg.selectAll("circle").data(points).join("circle").attr("class", "dot").attr("cx", (d) => x(d[1])).attr("cy", (d) => y(d[2])).attr("r", (d) => (d[0] === 50 ? 5 : 3))
      .append("title").text((d) => `p${d[0]}: ${write(d[1])} offline, ${write(d[2])} online`);
    numbers(made, ["quantile", "offline", "online"], points.map((d) => [`p${d[0]}`, write(d[1]), write(d[2])]));
  }

  function pairs(parent, [offline, online, random, equal], moments) {
    const more = offline.length - random;
    const further = more ? ` Rings are ${more} more of those that differ.` : "";
    const caption = `${random} random entities, offline across and online up; ${equal} of them are equal and lie on the dotted line.${further}`;
    const { svg, x, y } = square(parent, "Pairs", caption, offline, online, moments), write = moments ? moment : plain;
    svg.selectAll("circle").data(d3.range(offline.length)).join("circle").attr("class", (i) => (i < random ? "dot" : "dot more")).attr("cx", (i) => x(offline[i])).attr("cy", (i) => y(online[i])).attr("r", 3)
      .append("title").text((i) => `${write(offline[i])} offline, ${write(online[i])} online`);
  }

  function lag(parent, [percents, seconds]) {
    const caption = `How far online rows lie behind the latest offline row: ${percents.map((p, i) => `${p} % at most ${duration(seconds[i])}`).join(", ")}.`;
    const { svg, box } = figure(parent, "Lag", caption, 220);
    const x = scale([0, ...seconds], [box.left, box.right], false), y = d3.scaleLinear([0, 1], [box.bottom, box.top]);
    if (!x.bent) {
      // Ticks at whole units, which the largest lag has at least one of.
      const most = d3.max(seconds.map(Math.abs)), unit = [86400, 3600, 60, 1].find((size) => most >= size) ?? 1;
      const [low, high] = x.axis.domain();
      x.ticks = d3.ticks(low / unit, high / unit, 4).map((v) => v * unit);
    }
    x.write = duration;
    axes(svg, x, { axis: y, ticks: [0, 0.25, 0.5, 0.75, 1], write: share }, box, ["lag", "entities with at most this lag"]);
    const points = percents.map((p, i) => [seconds[i], p / 100]);
    svg.append("path").attr("class", "curve").attr("d", d3.line((d) => x(d[0]), (d) => y(d[1])).curve(d3.curveStepAfter)(points));
    svg.selectAll("circle").data(points).join("circle").attr("class", "dot").attr("cx", (d) => x(d[0])).attr("cy", (d) => y(d[1])).attr("r", 3);
  }

  return {
    draw(parent, data, runs) {
      if (data.trend) trend(parent, data.trend, runs);
      if (data.limits) limits(parent, data.limits);
      if (data.bins) bins(parent, data.bins);
      if (data.quantiles) quantiles(parent, data.quantiles, data.moments);
      if (data.pairs) pairs(parent, data.pairs, data.moments);
      if (data.lag) lag(parent, data.lag);
    },
  };
})();
