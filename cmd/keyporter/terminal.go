package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"keyporter/broker"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// interactive reports whether a person can answer here.
func (p *program) interactive() bool {
	f, ok := p.stdin.(*os.File)
	return ok && isTerminal(f)
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// prompt shows a question on the terminal, also when standard error goes
// elsewhere.
func (p *program) prompt(text string) {
	if t, err := os.OpenFile(terminal, os.O_WRONLY, 0); err == nil {
		defer t.Close()
		if _, err := io.WriteString(t, text); err == nil {
			return
		}
	}
	fmt.Fprint(p.stderr, text)
}

// typed runs read, which waits for a person, until it is done or ctx is. A read
// of a terminal cannot be taken back, so after the end of ctx it goes on until
// the program ends, which is soon.
func typed[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := read()
		done <- answer{v, err}
	}()
	select {
	case a := <-done:
		return a.v, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// readLine reads a line of stdin.
func (p *program) readLine() (string, error) {
	if p.lines == nil {
		p.lines = bufio.NewReader(p.stdin)
	}
	s, err := p.lines.ReadString('\n')
	if err != nil && s == "" {
		return "", err
	}
	return strings.TrimRight(s, "\r\n"), nil
}

// confirm asks a question that is answered with yes or no; no is the default.
// Without a person it is no.
func (p *program) confirm(ctx context.Context, question string) bool {
	if !p.interactive() {
		return false
	}
	p.prompt(oneLine(question) + " [y/N] ")
	s, err := typed(ctx, p.readLine)
	return err == nil && (strings.EqualFold(s, "y") || strings.EqualFold(s, "yes"))
}

// agreed runs f, and where a person has to agree to where tokens go, asks and
// runs it once more with bind.
func (p *program) agreed(ctx context.Context, bind bool, f func(bind bool) error) error {
	err := f(bind)
	if err == nil || bind || hint.CodeOf(err) != hint.ApprovalNeeded || !p.interactive() {
		return err
	}
	if !p.confirm(ctx, hint.Of(err).What+" Is that right?") {
		return err
	}
	return f(true)
}

// readPassphrase asks for a passphrase without showing it.
func (p *program) readPassphrase(ctx context.Context, prompt string) (secret.Value, error) {
	f, ok := p.stdin.(*os.File)
	if !ok || !isTerminal(f) {
		return secret.Value{}, hint.New(hint.Locked, "A passphrase is needed, and nobody can be asked here.", "Name a file with --passphrase-file or KEYPORTER_PASSPHRASE_FILE.")
	}
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return secret.Value{}, fmt.Errorf("read passphrase: %w", err)
	}
	// After Ctrl-C the read goes on and does not put the terminal back.
	defer term.Restore(fd, before)
	if err := hush(fd); err != nil {
		return secret.Value{}, fmt.Errorf("read passphrase: %w", err)
	}
	p.prompt(prompt)
	b, err := typed(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	p.prompt("\n")
	switch {
	case ctx.Err() != nil:
		return secret.Value{}, ctx.Err()
	case err != nil:
		return secret.Value{}, fmt.Errorf("read passphrase: %w", err)
	case len(b) == 0:
		return secret.Value{}, hint.New(hint.Locked, "The passphrase is empty.", "Try again.")
	}
	return secret.New(string(b)), nil
}

// newPassphrase asks for a passphrase that a vault is to have from now on.
func (p *program) newPassphrase(ctx context.Context) (secret.Value, error) {
	first, err := p.readPassphrase(ctx, "New passphrase: ")
	if err != nil {
		return first, err
	}
	again, err := p.readPassphrase(ctx, "The same again: ")
	if err != nil {
		return again, err
	}
	if !first.Equal(again) {
		return secret.Value{}, hint.New(hint.Usage, "The two passphrases differ.", "Try again.")
	}
	return first, nil
}

// tries is how often a person may type a passphrase.
const tries = 3

// unlock opens a locked vault. It reports false when there is nobody to ask.
func (p *program) unlock(ctx context.Context, c *local.Client) (bool, error) {
	st, err := c.State(ctx)
	if err != nil || st.Vault.Open {
		return err == nil, err
	}
	file := p.getenv("KEYPORTER_PASSPHRASE_FILE")
	switch {
	case st.Vault.Backend == "passphrase" && file != "":
		pass, err := broker.ReadPassphrase(file)
		if err != nil {
			return false, err
		}
		return true, c.Unlock(ctx, local.Unlock{Passphrase: &secret.Plain{Value: pass}})
	case !p.interactive():
		return false, nil
	case st.Vault.Backend != "passphrase":
		fmt.Fprintln(p.stderr, "The keyring is locked; it asks for its password now.")
		return true, c.Unlock(ctx, local.Unlock{})
	}
	return true, p.unlockByHand(ctx, c)
}

func (p *program) unlockByHand(ctx context.Context, c *local.Client) error {
	for n := 1; ; n++ {
		pass, err := p.readPassphrase(ctx, "Passphrase of Keyporter's vault: ")
		if err == nil {
			err = c.Unlock(ctx, local.Unlock{Passphrase: &secret.Plain{Value: pass}})
		}
		if hint.CodeOf(err) != hint.Locked || err == nil || n == tries {
			return err
		}
		p.prompt(oneLine(hint.Of(err).What) + "\n")
	}
}
