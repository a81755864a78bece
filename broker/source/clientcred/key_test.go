package clientcred_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"keyporter/broker/secret"
	"keyporter/broker/source/clientcred"
	"keyporter/internal/hint"
)

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// pkcs8 returns the PEM of a key made by make.
func pkcs8[K any](t *testing.T, key K, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PRIVATE KEY", der)
}

func TestPrivateKeysInEachForm(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		pem  string
		want crypto.Signer
	}{
		"RSA PKCS #8":     {pkcs8(t, rsaKey, nil), rsaKey},
		"RSA PKCS #1":     {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), rsaKey},
		"P-256 PKCS #8":   {pkcs8(t, ecKey, nil), ecKey},
		"P-256 SEC 1":     {block("EC PRIVATE KEY", sec1), ecKey},
		"with parameters": {block("EC PARAMETERS", []byte{6, 0}) + block("EC PRIVATE KEY", sec1), ecKey},
		"certificate too": {block("CERTIFICATE", []byte{1}) + block("EC PRIVATE KEY", sec1), ecKey},
		"Ed25519":         {"comment\n" + pkcs8(t, edKey, nil), edKey},
	}
	for name, test := range tests {
		key, err := clientcred.ParsePrivateKey(secret.New(test.pem))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !test.want.(interface{ Equal(crypto.PrivateKey) bool }).Equal(key) {
			t.Errorf("%s: got another key", name)
		}
	}
}

func TestBadPrivateKeysAreNamedAndNotQuoted(t *testing.T) {
	p224, err1 := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	small, err2 := rsa.GenerateKey(rand.Reader, 1024)
	x25519, err3 := ecdh.X25519().GenerateKey(rand.Reader)
	good := pkcs8(t, x25519, err3)
	tests := []struct{ name, file, want string }{
		{"empty", "", "not a private key in PEM form"},
		{"text", "SECRETWORD", "not a private key in PEM form"},
		{"cut", good[:40], "cut off"},
		{"huge", strings.Repeat("SECRETWORD", 10_000), "too big"},
		{"encrypted", block("ENCRYPTED PRIVATE KEY", []byte("SECRETWORD")), "passphrase"},
		{"encrypted of old", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nU0VDUkVUV09SRA==\n-----END RSA PRIVATE KEY-----\n", "passphrase"},
		{"SSH", block("OPENSSH PRIVATE KEY", []byte("SECRETWORD")), "SSH"},
		{"public", block("PUBLIC KEY", []byte("SECRETWORD")), "public key"},
		{"junk", block("PRIVATE KEY", []byte("SECRETWORD")), "cannot be read"},
		{"P-224", pkcs8(t, p224, err1), "cannot sign here"},
		{"short RSA", pkcs8(t, small, err2), "cannot sign here"},
		{"X25519", good, "cannot be read"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := clientcred.ParsePrivateKey(secret.New(test.file))
			if err == nil || hint.CodeOf(err) != hint.Usage || !strings.Contains(hint.Of(err).What, test.want) {
				t.Fatalf("err = %v, want a hint with %q", err, test.want)
			}
			if strings.Contains(err.Error()+hint.Of(err).Text(), "SECRETWORD") {
				t.Errorf("error quotes the file: %v", err)
			}
		})
	}
}
