package account

import (
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
			"Give it without; a proxy that wants a password can be set in the environment (HTTPS_PROXY).")
	}
	return nil
}
