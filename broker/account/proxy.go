package account

import (
	"net"
	"net/url"
	"strings"

	"keyporter/internal/hint"
)

// DirectProxy, as a server's proxy, means none, whatever the environment says.
const DirectProxy = "direct"

// CheckProxy reports whether s is the address of a proxy.
func CheckProxy(s string) error {
	if s == "" || s == DirectProxy {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err == nil && strings.HasSuffix(strings.ToLower(u.Path), ".pac"):
		return hint.New(hint.Usage, "Proxy configuration files (PAC) are not supported.", "Give the proxy's own address, such as http://proxy.example:3128.")
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5":
		return hint.New(hint.Usage, "This is not the address of a proxy.", "Write it like http://proxy.example:3128 (or https, or socks5), or direct for none.")
	case u.User != nil:
		return hint.New(hint.Usage, "The address of the proxy has a user name or password in it, which would be in a list of processes and a file.",
			"Give it without, and both in a file: --proxy-login-file FILE")
	}
	return nil
}

// ProxyAddress is a proxy's address in one form, by which its login is kept.
func ProxyAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
