package network

import (
	"bufio"
	"net/url"
	"strings"
)

// gnome reads what gsettings list-recursively org.gnome.system.proxy prints.
func gnome(text string) (d Desktop) {
	v := map[string]string{}
	for line := range strings.Lines(text) {
		schema, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		key, value, _ := strings.Cut(rest, " ")
		v[strings.TrimPrefix(schema, "org.gnome.system.proxy")+"."+key] = strings.Trim(strings.TrimSpace(value), "'")
	}
	switch v[".mode"] {
	case "manual":
		d.set("http", "http", v[".http.host"], v[".http.port"])
		d.set("https", "http", v[".https.host"], v[".https.port"])
		if d.HTTPS == "" && v[".use-same-proxy"] == "true" {
			d.HTTPS = d.HTTP
		}
		d.set("socks", "socks5", v[".socks.host"], v[".socks.port"])
		d.except(list(v[".ignore-hosts"])...)
	case "auto":
		d.PAC = true
	}
	return d
}

// list reads a list of strings as GVariant prints it: ['a', 'b'] or @as [].
func list(text string) (all []string) {
	text = strings.Trim(strings.TrimPrefix(text, "@as "), "[]")
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.Trim(strings.TrimSpace(part), `'"`); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// kde reads kioslaverc. ProxyType is 0 none, 1 these, 2 and 3 a configuration file,
// 4 the environment.
func kde(text string) (d Desktop) {
	v := map[string]string{}
	section := ""
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			section = line
		}
		if key, value, ok := strings.Cut(line, "="); ok && section == "[Proxy Settings]" {
			key, _, _ = strings.Cut(key, "[") // [$e] and the like
			v[key] = strings.TrimSpace(value)
		}
	}
	switch v["ProxyType"] {
	case "1":
		for kind, key := range map[string]string{"http": "httpProxy", "https": "httpsProxy"} {
			d.address(kind, v[key])
		}
		d.address("socks", v["socksProxy"])
		d.except(strings.Split(v["NoProxyFor"], ",")...)
	case "2", "3":
		d.PAC = true
	}
	return d
}

// address puts a proxy in place that is written as an address, which KDE does with
// a space before the port.
func (d *Desktop) address(kind, text string) {
	u, err := url.Parse(strings.Replace(strings.TrimSpace(text), " ", ":", 1))
	if err != nil || u.Host == "" {
		return
	}
	scheme := u.Scheme
	switch {
	case kind == "socks":
		scheme = "socks5"
	case scheme != "https":
		scheme = "http"
	}
	d.set(kind, scheme, u.Hostname(), u.Port())
}

// macOS reads what scutil --proxy prints.
func macOS(text string) (d Desktop) {
	v := map[string]string{}
	var exceptions []string
	inList := false
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), " : ")
		switch {
		case strings.TrimSpace(line) == "}":
			inList = false
		case !ok:
		case strings.HasPrefix(value, "<array>"):
			inList = key == "ExceptionsList"
		case inList:
			exceptions = append(exceptions, value)
		default:
			v[key] = value
		}
	}
	for _, p := range []struct{ kind, key, scheme string }{{"http", "HTTP", "http"}, {"https", "HTTPS", "http"}, {"socks", "SOCKS", "socks5"}} {
		if v[p.key+"Enable"] == "1" {
			d.set(p.kind, p.scheme, v[p.key+"Proxy"], v[p.key+"Port"])
		}
	}
	if v["ExcludeSimpleHostnames"] == "1" {
		exceptions = append(exceptions, "<local>")
	}
	d.except(exceptions...)
	d.PAC = v["ProxyAutoConfigEnable"] == "1" || v["ProxyAutoDiscoveryEnable"] == "1"
	return d
}

// windows reads the values of Internet Settings. server is host:port for all, or
// http=host:port;https=host:port;socks=host:port.
func windows(enabled bool, server, override, script string) (d Desktop) {
	d.PAC = script != ""
	if !enabled {
		return d
	}
	for part := range strings.SplitSeq(server, ";") {
		kind, where, several := strings.Cut(strings.TrimSpace(part), "=")
		if !several {
			kind, where = "", kind
		}
		if _, rest, ok := strings.Cut(where, "://"); ok {
			where = rest
		}
		host, port, ok := cutLast(where, ":")
		switch {
		case !ok:
		case kind == "":
			d.set("http", "http", host, port)
			d.set("https", "http", host, port)
		case kind == "socks":
			d.set("socks", "socks5", host, port)
		default:
			d.set(kind, "http", host, port)
		}
	}
	d.except(strings.Split(override, ";")...)
	return d
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
