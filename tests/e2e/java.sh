#!/usr/bin/env bash
# A JVM trusts the run's certificates through the trust store that JAVA_TOOL_OPTIONS names.
set -eu
. "$(dirname "$0")/common.inc"
need java javac
start_upstream
play echo.test
real=$(new_canary)
bearer_service echo.test TOKEN "$real"

cat >C.java <<'JAVA'
import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import javax.net.ssl.*;

public class C {
  public static void main(String[] args) throws Exception {
    URI proxy = new URI(System.getenv("HTTPS_PROXY"));
    Socket raw = new Socket(proxy.getHost(), proxy.getPort());
    String auth = Base64.getEncoder().encodeToString(proxy.getUserInfo().getBytes());
    raw.getOutputStream().write(("CONNECT echo.test:443 HTTP/1.1\r\nHost: echo.test:443\r\n"
        + "Proxy-Authorization: Basic " + auth + "\r\n\r\n").getBytes());
    String head = "";
    while (!head.endsWith("\r\n\r\n")) head += (char) raw.getInputStream().read();
    if (!head.contains(" 200 ")) throw new Exception(head);
    SSLSocket tls = (SSLSocket) ((SSLSocketFactory) SSLSocketFactory.getDefault())
        .createSocket(raw, "echo.test", 443, true);
    SSLParameters parameters = tls.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS");
    tls.setSSLParameters(parameters);
    tls.getOutputStream().write(
        "GET /echo HTTP/1.1\r\nHost: echo.test\r\nConnection: close\r\n\r\n".getBytes());
    System.out.println(new String(tls.getInputStream().readAllBytes(), StandardCharsets.UTF_8));
  }
}
JAVA
javac C.java
agent -- java -Xshare:auto -XX:TieredStopAtLevel=1 C
assert_contains "$OUT/agent.out" '"method": "GET"'
assert_eq "Bearer $real" "$(received_header authorization)"
canary_check "$AV_CASE/work" "$OUT/agent.out" "$OUT/agent.err"

# Java has no user for a proxy unless the program gives it one. At `network` it need not know of the proxy.
cat >P.java <<'JAVA'
import java.net.*;

public class P {
  public static void main(String[] args) throws Exception {
    System.out.println(new String(new URL("https://echo.test/echo").openStream().readAllBytes()));
  }
}
JAVA
javac P.java
agent --isolation network -- java -Xshare:auto -XX:TieredStopAtLevel=1 P
assert_contains "$OUT/agent.out" '"method": "GET"'
assert_eq "Bearer $real" "$(received_header authorization)"
