"""The page of a node that wants a token: login, logout, and what a foreign page can do. CONVOY_BINARY as in test_page.py."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from selenium.webdriver.common.by import By

from pages import console_errors, open_page, press, read, text_of, until, until_sentence
from running_node import BINARY, RunningNode

pytestmark = pytest.mark.skipif(BINARY is None, reason="CONVOY_BINARY is not set")

LOGIN = r"^Log in: this node"


@pytest.fixture(scope="module")
def node():
    with RunningNode("n1") as running:
        running.admin = running.close_to_strangers()
        running.headers = {"Authorization": f"Bearer {running.admin['token']}"}
        yield running


@pytest.fixture
def page(browser, node):
    # A page that has no icon would ask for one, and complain of it when the log was emptied already.
    browser.get("about:blank")
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    return open_page(browser, node)


def log_in(page, token):
    """Once more, as the page says, where the node did not answer in time."""
    def is_answered():
        page.find_element(By.ID, "login-token").send_keys(token)
        press(page, "#login-send")
        until(lambda: read(page, "!document.getElementById('login-send').disabled"), lambda: body_text(page))
        return "did not answer" not in text_of(page, "#login-error")
    until(is_answered, lambda: body_text(page))


def body_text(page):
    return read(page, "document.body.innerText")


def test_without_a_session_there_is_a_form_and_no_data(page, node):
    until_sentence(page, LOGIN)
    assert page.find_element(By.ID, "login").is_displayed()
    assert not page.find_element(By.ID, "data").is_displayed()
    assert not page.find_element(By.ID, "logout").is_displayed()
    served = requests.get(node.url + "/", timeout=60).text
    assert "n1" not in served and node.admin["id"] not in served
    assert "Log in: this node tells its state to those with a token." in served
    # It asks for nothing that would be refused, and complains of nothing.
    until(lambda: read(page, "performance.getEntriesByName(location.origin + '/livez').length") >= 2, lambda: body_text(page))
    assert console_errors(page) == []
    # A token in a header is no way in: it could be guessed at without being counted.
    assert "n1" not in requests.get(node.url + "/", headers=node.headers, timeout=60).text


def test_a_wrong_token_is_refused_in_words(page, node):
    log_in(page, node.admin["token"][:-1])
    until(lambda: "no token of Convoy" in body_text(page), lambda: body_text(page))
    assert page.find_element(By.ID, "login").is_displayed()
    tenant = requests.post(f"{node.url}/v1/namespaces", json={"name": "tenant"}, headers=node.headers, timeout=60).json()
    log_in(page, tenant["token"])
    until(lambda: "cluster:read" in page.find_element(By.ID, "login-error").text, lambda: body_text(page))


def test_a_session_shows_the_data_until_it_is_ended(page, node):
    log_in(page, node.admin["token"])
    until_sentence(page, r"^All is well: n1 accepts writes")
    cookie = page.get_cookie("convoy_n1")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["path"] == "/"
    assert node.admin["token"] not in cookie["value"]
    # With it the server renders the state.
    assert "All is well: n1 accepts writes" in requests.get(node.url, cookies={"convoy_n1": cookie["value"]}, timeout=60).text
    # No script can read it, and the token is kept nowhere.
    assert read(page, "document.cookie") == ""
    assert read(page, "localStorage.length + sessionStorage.length") == 0
    assert read(page, "document.getElementById('login-token').value") == ""
    addresses = read(page, 'performance.getEntries().map(entry => entry.name).join(" ")')
    assert "cvy_" not in addresses

    page.refresh()
    until_sentence(page, r"^All is well: n1 accepts writes")
    until(lambda: page.find_element(By.ID, "logout").is_displayed(), lambda: body_text(page))
    press(page, "#logout")
    until_sentence(page, LOGIN)
    assert page.get_cookie("convoy_n1") is None
    assert not page.find_element(By.ID, "data").is_displayed()
    ended = requests.get(f"{node.url}/v1/sync", cookies={"convoy_n1": cookie["value"]}, timeout=60)
    assert ended.status_code == 401


def test_a_session_ends_with_its_token(page, node):
    made = requests.post(
        f"{node.url}/v1/tokens", json={"scopes": ["cluster:read"]}, headers=node.headers, timeout=60).json()
    log_in(page, made["token"])
    until_sentence(page, r"^All is well: n1 accepts writes")
    # It may do what its token may, and no more: nothing is offered that would be refused.
    until(lambda: page.find_element(By.ID, "logout").is_displayed(), lambda: body_text(page))
    assert not page.find_element(By.ID, "add-node").is_displayed()
    assert page.find_elements(By.CSS_SELECTOR, "#nodes button, #namespaces button") == []
    status = page.execute_async_script(
        "const done = arguments[0]; fetch('/v1/barriers', {method: 'POST'}).then(answer => done(answer.status));")
    assert status == 403
    requests.delete(f"{node.url}/v1/tokens/{made['id']}", headers=node.headers, timeout=60)
    until_sentence(page, LOGIN)


@pytest.fixture
def foreign():
    """A page of somebody else, on this machine under another name and port."""
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>foreign</title>")

        def log_message(self, *_):
            pass

    # A connection that the browser keeps in reserve holds up no other one, nor the end.
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_foreign_page_changes_nothing_and_reads_nothing(page, node, foreign):
    log_in(page, node.admin["token"])
    until_sentence(page, r"^All is well: n1 accepts writes")
    before = requests.get(f"{node.url}/v1/sync", headers=node.headers, timeout=60).json()["position"]
    page.get(foreign)
    tried = page.execute_async_script("""
        const [target, done] = arguments;
        const attempt = (path, more) => fetch(target + path, {credentials: "include", ...more})
            .then(answer => answer.type === "opaque" ? "sent" : "read " + answer.status, () => "failed");
        Promise.all([
            attempt("/v1/sync", {}), attempt("/v1/sync", {mode: "no-cors"}),
            attempt("/v1/barriers", {method: "POST", mode: "no-cors"}),
            attempt("/v1/namespaces/default/keys/k", {method: "PUT", body: "x"}),
            attempt("/v1/namespaces/default/flush", {method: "POST", mode: "no-cors"}),
            attempt("/v1/session", {method: "DELETE"}),
        ]).then(done);
    """, node.url)
    assert not any(outcome.startswith("read") for outcome in tried), tried
    # A form needs no permission to send.
    page.execute_script("""
        const form = document.createElement("form");
        form.method = "post";
        form.action = arguments[0] + "/v1/barriers";
        document.body.append(form);
        form.submit();
    """, node.url)
    until(lambda: page.current_url.startswith(node.url), lambda: page.current_url)
    until(lambda: "bad-origin" in text_of(page, "body"), lambda: page.current_url)
    after = requests.get(f"{node.url}/v1/sync", headers=node.headers, timeout=60).json()["position"]
    assert after == before
    open_page(page, node)
    until_sentence(page, r"^All is well: n1 accepts writes")


def test_a_name_that_is_bound_to_this_machine_anew_gets_nothing(page, node):
    """As after a DNS rebinding: the browser takes the node for the server of another name."""
    with socket.create_connection(("127.0.0.1", node.port), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 403") and b"bad-host" in answer


def test_what_tenants_name_is_shown_as_text(page, node):
    """No name of a namespace can be markup; a value that is, is never rendered."""
    script = b"<script>document.title = 'taken over'</script>"
    address = f"{node.url}/v1/namespaces/default/keys/page.html"
    put = requests.put(address, data=script, headers=node.headers, timeout=60)
    assert put.status_code in (201, 204)
    log_in(page, node.admin["token"])
    until_sentence(page, r"^All is well: n1 accepts writes")
    answer = page.execute_async_script("""
        const [path, done] = arguments;
        fetch(path).then(async answer => done({type: answer.headers.get("Content-Type"), text: await answer.text()}));
    """, "/v1/namespaces/default/keys/page.html")
    assert answer == {"type": "application/octet-stream", "text": script.decode()}
    frame = page.execute_async_script("""
        const [path, done] = arguments;
        const frame = document.createElement("iframe");
        frame.src = path;
        document.body.append(frame);
        setTimeout(() => { let text = null; try { text = frame.contentDocument?.body?.innerText ?? null; } catch { }
            frame.remove(); done([document.title, text]); }, 500);
    """, "/v1/namespaces/default/keys/page.html")
    assert frame[0] != "taken over" and not frame[1]
    until_sentence(page, "^All is well")
