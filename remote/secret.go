package remote

import (
	"fmt"
	"log/slog"
)

// Secret is a secret key. It prints and marshals as "[redacted]"; only Reveal
// returns it. fmt looks past methods in two cases: %p, which vet refuses for
// it, and unexported fields, so keep none in those of something that gets
// printed.
type Secret string

const redacted = "[redacted]"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// Format prints "[redacted]" under every verb; nothing for an empty secret.
func (s Secret) Format(f fmt.State, verb rune) { _, _ = f.Write([]byte(s.String())) }

// String returns "[redacted]", or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString redacts under %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue redacts in slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText redacts in encoding/json, xml and others.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
