"""What the page's tests share: a browser, waiting by conditions, reading, and pictures."""

import base64
import os
import re
import shutil
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

WIDE = (1280, 900)
PHONE = (360, 800)
SCREENSHOTS = os.environ.get("CONVOY_SCREENSHOTS")
PICTURE_HEIGHT_MAX = 6000
# How long something may take on a machine that is busy, or stands still for seconds.
PATIENCE = 60
# An age in whole seconds, as the page and the server write it; it grows while a test looks.
AGE = "[0-9]+ (?:s|min(?: [0-9]+ s)?)"


def start_browser():
    options = webdriver.ChromeOptions()
    options.binary_location = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
    # Root, as in a container, has no sandbox; /dev/shm is small there.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=Service(os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")))
    driver.set_script_timeout(PATIENCE)
    return driver


# It has drawn what its server tells, and knows of whose page it is; but for who has to log in.
IS_READY = """(() => {
    const [updated, self, token] = ["updated", "self", "token"].map(id => document.getElementById(id));
    return /^(live|read )/.test(updated.textContent) && (self.textContent !== "" || !token.hidden);
})()"""


def open_page(browser, node, size=WIDE):
    set_size(browser, size)
    browser.get_log("browser")
    # It goes on asking, and complaining, until the new one is there: see `console_errors`.
    left = read(browser, "location.origin")
    browser.origin_left = left if left != node.url else None
    browser.get(node.url + "/")
    until(lambda: read(browser, IS_READY), lambda: sentence(browser))
    return browser


def set_size(browser, size):
    width, height = size
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})


def set_scheme(browser, scheme):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "features": [{"name": "prefers-color-scheme", "value": scheme}] if scheme else []})


def until(condition, describe, seconds=PATIENCE):
    """Waits for `condition`, and answers what it answered; what was seen instead is in the failure."""
    deadline = time.monotonic() + seconds
    while True:
        # The last look begins after the deadline: until then this very thread may have stood still.
        is_last = time.monotonic() >= deadline
        found = condition()
        if found:
            return found
        if is_last:
            raise AssertionError(f"after {seconds} s: {describe()}")
        time.sleep(0.05)


def press(browser, selector):
    """By the keyboard: the mouse would hit what is there by then, where something above it has just come."""
    browser.find_element(By.CSS_SELECTOR, selector).send_keys(Keys.ENTER)


def until_sentence(browser, pattern, seconds=PATIENCE):
    until(lambda: re.search(pattern, sentence(browser)), lambda: sentence(browser), seconds)


def sentence(browser):
    return browser.find_element(By.ID, "sentence").text


def read(browser, script):
    """All at once, in the browser: rows may be replaced between two questions."""
    return browser.execute_script(f"return ({script})")


def text_of(browser, selector):
    return read(browser, f"document.querySelector({selector!r})?.innerText ?? ''")


def node_row(browser, name):
    cells = read(browser, """Object.fromEntries([...document.querySelectorAll("#nodes tr.node")].map(row =>
        [row.querySelector(".name").textContent, Object.fromEntries([...row.children].map(
            cell => [cell.dataset.label, cell.innerText.trim()]))]))""")
    return cells.get(name)


def tree(browser, half):
    """What is drawn of each node, by name: its texts in one line."""
    return read(browser, f"""Object.fromEntries([...document.querySelectorAll("#{half} > g")].map(row =>
        [row.dataset.key, [...row.querySelectorAll(":scope > text")].map(text => text.textContent).join(" ")]))""")


def until_planned(browser, words):
    """Waits for a plan with `words` that can be carried out. One that a busy node holds up is asked for again."""
    def is_planned():
        plan = text_of(browser, "#plan")
        if words in plan and browser.find_element(By.ID, "action-go").is_enabled():
            return True
        if plan.startswith("✕") or "It is not possible" in plan:
            press(browser, "#action-again")
        return False
    until(is_planned, lambda: text_of(browser, "#action"))


def console_errors(browser):
    """Of this page: the one before may have asked a server that is gone when the log was emptied already."""
    left = browser.origin_left
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"
            and not (left and entry["message"].startswith(f"{left}/"))]


def shoot(browser, name):
    """Pictures of the whole page, wide and narrow, light and dark; only when they are asked for."""
    if not SCREENSHOTS:
        return
    folder = Path(SCREENSHOTS)
    folder.mkdir(exist_ok=True)
    for size in (WIDE, PHONE):
        for scheme in ("light", "dark"):
            set_scheme(browser, scheme)
            set_size(browser, size)
            browser.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 700))")
            height = min(read(browser, "document.documentElement.scrollHeight"), PICTURE_HEIGHT_MAX)
            set_size(browser, (size[0], height))
            picture = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
            (folder / f"{name}-{size[0]}-{scheme}.png").write_bytes(base64.b64decode(picture))
    set_scheme(browser, None)
    set_size(browser, WIDE)


# The least contrast of all text that is seen, against the nearest background that is not transparent, and where.
CONTRAST = r"""
const parts = colour => colour.match(/[0-9.]+/g).map(Number);
const luminance = colour => parts(colour).slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
const behind = element => {
    for (let at = element; at; at = at.parentElement) {
        const colour = getComputedStyle(at).backgroundColor;
        if (parts(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
};
const own = element => [...element.childNodes].some(child => child.nodeType === 3 && child.data.trim());
const worst = [...document.body.querySelectorAll("*")]
    .filter(element => element.checkVisibility() && !element.disabled && element.tagName !== "title" && own(element)
        && !element.closest("noscript, option, .for-ears"))
    .map(element => {
        const style = getComputedStyle(element);
        const colour = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
        const pair = [luminance(colour), luminance(behind(element))];
        return [(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05), element.textContent.trim().slice(0, 40)];
    }).sort((a, b) => a[0] - b[0]);
return worst[0];
"""
