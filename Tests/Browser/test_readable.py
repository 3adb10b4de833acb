"""Whether everybody can use the page: names, landmarks, headings, keyboard, contrast. CONVOY_BINARY as in test_page.py."""

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pages import CONTRAST, PHONE, WIDE, open_page, press, read, set_scheme, set_size, text_of, until
from stub import StubNode
from states import answers_of, trouble

RULES = r"""
const faults = [];
const text = element => element?.textContent.trim() ?? "";
const named = element => element.getAttribute("aria-label")?.trim()
    || (element.getAttribute("aria-labelledby") ?? "").split(" ").map(id => text(document.getElementById(id))).join("")
    || [...element.labels ?? []].map(text).join("") || element.title
    // What is in a table or a region is not what it is called.
    || (element.matches("a, button, summary") ? text(element) : "");
const shown = [...document.querySelectorAll("body *")].filter(element => element.checkVisibility());
for (const element of shown) {
    const what = `${element.tagName.toLowerCase()}#${element.id}.${element.className.baseVal ?? element.className}`;
    if (element.matches("a, button, summary, input, select, textarea, meter, progress, section, nav, dialog, table, [role=img], [role=tabpanel], [role=tablist], [tabindex='0']")
        && !named(element)) faults.push(`${what} has no name`);
    if (element.matches("section, nav") && !element.hasAttribute("aria-label") && !element.hasAttribute("aria-labelledby"))
        faults.push(`${what} is a region without a name`);
    for (const attribute of ["aria-labelledby", "aria-controls", "aria-describedby", "for"])
        for (const id of (element.getAttribute(attribute) ?? "").split(" ").filter(Boolean))
            if (!document.getElementById(id)) faults.push(`${what}: ${attribute} names ${id}, which is not there`);
    if (element.tabIndex > 0) faults.push(`${what} has a tabindex of its own order`);
    if (element.matches("thead th") && !element.scope) faults.push(`${what} has no scope`);
    if (element.hasAttribute("style")) faults.push(`${what} has a style attribute`);
    if (element.matches("img") && !element.hasAttribute("alt")) faults.push(`${what} has no alt`);
}
const ids = [...document.querySelectorAll("[id]")].map(element => element.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`two elements are #${id}`);
for (const landmark of ["body > header", "main", "body > footer", "h1"])
    if (document.querySelectorAll(landmark).length !== 1) faults.push(`not exactly one ${landmark}`);
let level = 0;
for (const heading of shown.filter(element => element.matches("h1, h2, h3, h4"))) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) faults.push(`h${next} "${text(heading)}" follows h${level}`);
    level = next;
}
if (!document.documentElement.lang) faults.push("no language");
return faults;
"""

# So many pixels are beyond the edge.
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

# What comes with each of the answers; before all of it is there, the page still grows.
PARTS = ("#drift li", "#nodes button", "#trouble-rows td", "#namespaces button", "#plots svg", "#operations article")


@pytest.fixture(scope="module")
def node():
    with StubNode(answers_of(trouble)) as stub:
        yield stub


@pytest.fixture
def page(browser, node):
    open_page(browser, node)
    until(lambda: "n6" in text_of(browser, "#trouble"), lambda: text_of(browser, "#trouble"))
    for part in PARTS:
        until(lambda: browser.find_elements(By.CSS_SELECTOR, part), lambda: (part, text_of(browser, "main")))
    return browser


def test_everything_has_a_name_and_a_place(page):
    assert page.execute_script(RULES) == []
    for tab in ("topology", "events", "audit"):
        press(page, f"#tab-{tab}")
        until(lambda: text_of(page, f"#{tab}").strip() not in ("", "–"), lambda: text_of(page, f"#{tab}"))
        assert page.execute_script(RULES) == [], tab
    press(page, "#add-node")
    assert page.execute_script(RULES) == []


@pytest.mark.parametrize("selector, attribute", [
    ("main table", "aria-labelledby"), ("#pages", "aria-label"), ("#running", "aria-label"), ("#lately", "aria-labelledby"),
    ("#operations", "aria-labelledby"), ("#tabs", "aria-labelledby")])
def test_what_is_in_a_thing_is_not_its_name(page, selector, attribute):
    """Else the rules would find nothing wrong with a table or a region that has no label."""
    without = f"document.querySelector({selector!r}).removeAttribute({attribute!r});"
    assert any("has no name" in fault for fault in page.execute_script(without + RULES))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_every_text_stands_out_and_none_is_wider_than_the_page(page, scheme, size):
    try:
        set_scheme(page, scheme)
        set_size(page, size)
        # Of that width, and not of the one before.
        fits = f"innerWidth === {size[0]} && {SIDEWAYS} === 0"
        until(lambda: read(page, fits), lambda: (read(page, "innerWidth"), read(page, SIDEWAYS)))
        for tab in ("operations", "topology", "events"):
            page.find_element(By.ID, f"tab-{tab}").send_keys(Keys.ENTER)
            ratio, text = page.execute_script(CONTRAST)
            assert ratio >= 4.5, text
            assert read(page, SIDEWAYS) == 0
    finally:
        set_scheme(page, None)
        set_size(page, WIDE)


def test_the_keyboard_reaches_everything_in_the_order_of_reading(page):
    read(page, "document.activeElement.blur()")
    order = []
    for _ in range(60):
        ActionChains(page).send_keys(Keys.TAB).perform()
        seen = page.execute_script("""
            const at = document.activeElement;
            if (at === document.body) return null;
            window.stops ??= [];
            const later = window.stops.length === 0
                || !!(window.stops.at(-1).compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING);
            window.stops.push(at);
            const style = getComputedStyle(at);
            return [at.id || at.className || at.tagName, later, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0];
        """)
        if seen is None or order and seen[0] == order[0][0]:
            break
        order.append(seen)
    names = [name for name, _, _ in order]
    assert names[0] == "skip" and "add-node" in names and "prefix" in names and "tab-operations" in names
    assert [name for name, later, _ in order if not later] == []
    assert [name for name, _, outlined in order if not outlined] == []
    # One stop for all tabs, as everywhere.
    assert "tab-topology" not in names


def test_arrows_go_from_tab_to_tab(page):
    page.find_element(By.ID, "tab-operations").send_keys(Keys.ARROW_RIGHT)
    assert read(page, "document.activeElement.id") == "tab-topology"
    assert page.find_element(By.ID, "topology").is_displayed() and not page.find_element(By.ID, "operations").is_displayed()
    page.switch_to.active_element.send_keys(Keys.END)
    assert read(page, "document.activeElement.id") == "tab-audit"
    page.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert read(page, "document.activeElement.id") == "tab-operations"


def test_colour_is_never_alone(page):
    """Each state has a word and a symbol besides."""
    cells = read(page, """[...document.querySelectorAll("#nodes td.state")].map(cell => cell.innerText.trim())""")
    assert cells and all(not cell[0].isalnum() and any(letter.isalpha() for letter in cell) for cell in cells), cells
    odd = read(page, """[...document.querySelectorAll("#trouble-rows td")].map(cell => cell.innerText.trim())""")
    assert odd and all(not cell[0].isalnum() and any(letter.isalpha() for letter in cell) for cell in odd), odd


def test_a_stream_that_ends_is_resumed_where_it_ended(browser):
    """The stub ends each stream at once. It is one that no other page has asked."""
    with StubNode(answers_of(trouble)) as stub:
        open_page(browser, stub)
        until(lambda: stub.streams.count("0-7") >= 2, lambda: stub.streams)
        asked = list(stub.streams)
    # One that brought no id, for the page had to wait too long, is begun anew.
    begun = asked.index("0-7")
    assert asked[0] is None and set(asked[:begun]) == {None} and set(asked[begun:]) == {"0-7"}, asked


def test_nothing_jumps_while_the_page_is_live(page):
    """Layout shifts that the browser itself has counted, over several updates."""
    page.execute_script("""
        window.shifts = [];
        new PerformanceObserver(list => window.shifts.push(...list.getEntries().map(entry => entry.value)))
            .observe({type: "layout-shift", buffered: false});
    """)
    drawn = read(page, 'performance.getEntriesByName("draw").length')
    until(lambda: read(page, 'performance.getEntriesByName("draw").length') >= drawn + 8, lambda: "no redraws")
    assert sum(read(page, "window.shifts")) < 0.01, read(page, "window.shifts")
