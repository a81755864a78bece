// Command browse is a browser for tests (KEYPORTER_BROWSER): it opens the URL
// that is its last argument as peers.User does. KEYPORTER_TEST_USER names who
// signs in.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"keyporter/internal/peers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "browse:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: browse URL")
	}
	_, err := peers.User{Name: os.Getenv("KEYPORTER_TEST_USER")}.Open(ctx, args[len(args)-1])
	return err
}
