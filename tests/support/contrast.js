// The texts of a page that stand out less from what is behind them than WCAG 2.1 AA asks for, each with its ratio.
() => {
    const parse = (color) => {
        const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
        return { r, g, b, a };
    };
    const over = (front, back) => {
        const mix = (name) => front[name] * front.a + back[name] * (1 - front.a);
        return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
    };
    const luminance = ({ r, g, b }) => {
        const linear = (value) => (value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    };
    const lineage = (element) => (element ? [element, ...lineage(element.parentElement)] : []);
    const behind = (element) =>
        lineage(element)
            .reverse()
            .map((each) => parse(getComputedStyle(each).backgroundColor))
            .reduce((back, front) => over(front, back), { r: 255, g: 255, b: 255, a: 1 });
    const ratio = (element) => {
        const back = behind(element);
        const ink = parse(getComputedStyle(element).color);
        const opacity = lineage(element).reduce((all, each) => all * getComputedStyle(each).opacity, 1);
        const [light, dark] = [back, over({ ...ink, a: ink.a * opacity }, back)].map(luminance).sort((a, b) => b - a);
        return (light + 0.05) / (dark + 0.05);
    };
    const needed = (element) => {
        const { fontSize, fontWeight } = getComputedStyle(element);
        const size = parseFloat(fontSize);
        return size >= 24 || (size >= 18.66 && fontWeight >= 700) ? 3 : 4.5;
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        const text = texts.currentNode.textContent.trim();
        if (text && element.checkVisibility() && ratio(element) < needed(element)) {
            found.push(`${text.slice(0, 60)}: ${ratio(element).toFixed(2)}`);
        }
    }
    return found;
};
