package sshsig

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

var (
	// ErrPassphrase is returned for a private key that needs its passphrase, or
	// another one.
	ErrPassphrase = errors.New("the key needs its passphrase")
	// ErrNoAgent is returned when no ssh-agent answers.
	ErrNoAgent = errors.New("no ssh-agent answers")
	// ErrNotLoaded is returned for a key that the ssh-agent does not have.
	ErrNotLoaded = errors.New("the ssh-agent does not have the key")
)

// ParseKey reads a private key in one of the forms that ssh-keygen writes.
// passphrase may be nil.
func ParseKey(text, passphrase []byte) (ssh.Signer, error) {
	var raw any
	var err error
	if len(passphrase) == 0 {
		raw, err = ssh.ParseRawPrivateKey(text)
	} else {
		raw, err = ssh.ParseRawPrivateKeyWithPassphrase(text, passphrase)
	}
	if missing := (*ssh.PassphraseMissingError)(nil); errors.As(err, &missing) || len(passphrase) > 0 && err != nil {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, errors.New("it is no private SSH key")
	}
	key, ok := raw.(crypto.Signer)
	if !ok {
		return nil, errors.New("it is a private key that cannot sign")
	}
	return ssh.NewSignerFromSigner(key)
}

// ParsePublicKey reads a public key's file, a line as in authorized_keys.
func ParsePublicKey(text []byte) (ssh.PublicKey, error) {
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return key, err
}

// An Agent is a connection to the user's ssh-agent.
type Agent struct {
	conn   net.Conn
	client agent.Agent
}

// DialAgent connects to the ssh-agent that the environment names; on Windows
// also to the system's.
func DialAgent(ctx context.Context, getenv func(string) string) (*Agent, error) {
	conn, err := dialAgent(ctx, getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNoAgent, err)
	}
	return &Agent{conn, agent.NewClient(conn)}, nil
}

var _ io.Closer = (*Agent)(nil)

// Close ends the connection; signers of it no longer work.
func (a *Agent) Close() error { return a.conn.Close() }

// Signers returns the keys that the agent has, without certificates.
func (a *Agent) Signers() ([]ssh.Signer, error) {
	all, err := a.client.Signers()
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNoAgent, err)
	}
	var keys []ssh.Signer
	for _, s := range all {
		if _, cert := s.PublicKey().(*ssh.Certificate); !cert {
			keys = append(keys, s)
		}
	}
	return keys, nil
}

// Signer returns the private half of a public key.
func (a *Agent) Signer(key ssh.PublicKey) (ssh.Signer, error) {
	keys, err := a.Signers()
	if err != nil {
		return nil, err
	}
	for _, s := range keys {
		if bytes.Equal(s.PublicKey().Marshal(), key.Marshal()) {
			return s, nil
		}
	}
	return nil, ErrNotLoaded
}
