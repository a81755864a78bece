package network

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"keyporter/broker/account"
)

func TestRequestsTakeTheProxyOfTheirServer(t *testing.T) {
	var through atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "mcp.example" { // a proxy gets the whole address
			through.Add(1)
		}
	}))
	defer proxy.Close()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	if err := (Settings{Proxy: proxy.URL}).Apply(tr); err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: tr}).Get("http://mcp.example/mcp")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if through.Load() != 1 {
		t.Error("the request did not take the proxy")
	}
	way, err := Settings{Proxy: account.DirectProxy}.Way()
	if err != nil {
		t.Fatal(err)
	}
	if u, err := way(resp.Request); u != nil || err != nil {
		t.Errorf("direct leads to %v, %v", u, err)
	}
}

func TestAProxyIsAPlainAddress(t *testing.T) {
	for proxy, part := range map[string]string{
		"":                                 "",
		"direct":                           "",
		"http://proxy.example:3128":        "",
		"socks5://127.0.0.1:1080":          "",
		"http://wpad.example/proxy.pac":    "PAC",
		"proxy.example:3128":               "not the address",
		"ftp://proxy.example":              "not the address",
		"http://ann:SECRETWORD@proxy:3128": "password",
	} {
		err := account.CheckProxy(proxy)
		switch {
		case (err == nil) != (part == ""):
			t.Errorf("%s: %v", proxy, err)
		case err != nil && (!strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "SECRETWORD")):
			t.Errorf("%s: %v", proxy, err)
		}
	}
}

func TestACertificateAuthorityOfTheUserIsTrusted(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	s.Config.ErrorLog = nil
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	if err := (Settings{Proxy: account.DirectProxy, CA: file}).Apply(tr); err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: tr}).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, bad := range []string{filepath.Join(t.TempDir(), "none"), os.Args[0]} {
		if _, err := (Settings{CA: bad}).Roots(); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
