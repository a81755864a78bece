package main

import (
	"encoding/json"
	"os"
	"strings"
)

// last prints the snippet for Claude Desktop and how to go on.
func (d *demo) last() error {
	dir, err := keepHome(os.Getenv)
	if err != nil {
		return err
	}
	config := claudeConfig(d.k.path, environ(dir))
	if d.show.json {
		return d.show.line(map[string]any{"done": true, "keep": d.o.keep, "home": dir, "issuer": d.world.as.Issuer(),
			"servers": map[string]string{demoServer: d.world.mcp.URL(), apiServer: d.world.mcp.APIURL()}, "claude_desktop_config": config})
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(config); err != nil {
		return err
	}
	if d.o.keep {
		d.show.say(keepWords, dir, d.world.as.Issuer(), "KEYPORTER_HOME="+quoteAll([]string{dir})+" "+quoteAll([]string{d.k.path, "login", demoServer, "--switch"}), b.String())
		return nil
	}
	d.show.say(doneWords, b.String())
	return nil
}

const keepWords = `All steps worked. The demo stays up until Ctrl-C; then its home is removed:
  %s
The identity provider's sign-in page is at %s. To click through it yourself:
  %s

For Claude Desktop, put this into claude_desktop_config.json and start it again. "env" points
at the demo's home, which a server of your own does not need:

%s`

const doneWords = `All steps worked. The demo ends now, and its home is removed.
To use it from Claude Desktop, run "keyporter demo --keep" (or "make demo DEMOFLAGS=--keep"), put this into
claude_desktop_config.json, and start Claude Desktop again. "env" points at the home of --keep,
which a server of your own does not need:

%s`

// A clientConfig is the part of claude_desktop_config.json that names servers.
type clientConfig struct {
	Servers map[string]clientServer `json:"mcpServers"`
}

type clientServer struct {
	Command string            `json:"command"`
	Args    []string          `json:"args"`
	Env     map[string]string `json:"env"`
}

// claudeConfig returns the snippet. It holds no secret: the passphrase's file is
// named, and its content is good for the demo's vault only.
func claudeConfig(keyporter string, env map[string]string) clientConfig {
	return clientConfig{Servers: map[string]clientServer{
		demoServer: {Command: keyporter, Args: []string{"bridge", demoServer}, Env: env},
	}}
}
