//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	bigText  = 10 << 20               // bytes of the text that the tool big returns
	slowTime = 200 * time.Millisecond // what the tool slow takes
	token    = "SECRETWORD-bench"     // what the server wants as a bearer
)

// serve is the MCP server that all contenders talk to, in a process of its own:
// legacy, with a session, at /json with JSON answers and at /events with event
// streams. It prints its address.
func serve() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	big := strings.Repeat("lorem ipsum dolor sit amet, ", bigText/28)
	mux := http.NewServeMux()
	for path, events := range map[string]bool{"/json": false, "/events": true} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { answer(w, r, big, events) })
	}
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { // ends with the one that started it
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return s.Serve(l)
}

func answer(w http.ResponseWriter, r *http.Request, big string, events bool) {
	if r.Header.Get("Authorization") != "Bearer "+token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	var m struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params struct {
			Name string `json:"name"`
		} `json:"params"`
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if m.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	result := `{}`
	switch m.Method {
	case "initialize":
		w.Header().Set("Mcp-Session-Id", "bench")
		result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"1"}}`
	case "tools/call":
		text := "A small answer, as most are."
		switch m.Params.Name {
		case "big":
			text = big
		case "slow":
			time.Sleep(slowTime)
		}
		result = `{"content":[{"type":"text","text":"` + text + `"}]}`
	}
	write(w, `{"result":`+result+`,"jsonrpc":"2.0","id":`+string(m.ID)+`}`, events)
}

func write(w http.ResponseWriter, message string, events bool) {
	if events {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "event: message\ndata: "+message+"\n\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(message)))
	_, _ = io.WriteString(w, message)
}
