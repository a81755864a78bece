package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"keyporter/internal/hint"
)

// serve runs the servers alone, for a program that adds them to a home of its
// own, until stdin ends or ctx does.
func serve(ctx context.Context, o options, stdin io.Reader, stdout, stderr io.Writer) int {
	o.keep = true // the same ports each time, so that a server that was added is found again
	w, _, err := startWorld(o)
	if err == nil {
		err = json.NewEncoder(stdout).Encode(map[string]string{"mcp": w.mcp.URL(), "api": w.mcp.APIURL(), "issuer": w.as.Issuer()})
		ended := make(chan struct{})
		go func() { // ends with the program at the latest: a read cannot be called off
			defer close(ended)
			_, _ = io.Copy(io.Discard, stdin)
		}()
		if err == nil {
			select {
			case <-ctx.Done():
			case <-ended:
			}
		}
		err = errors.Join(err, w.close())
	}
	if err != nil {
		fmt.Fprintf(stderr, "keyporter-demo: %s\n", hint.Of(err).Text())
		return exitFailed
	}
	return exitDone
}
