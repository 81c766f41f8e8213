package remote

import (
	"fmt"
	"log/slog"
)

// Secret is a secret key. It prints and marshals as "[redacted]" in every
// way; only Reveal returns it. fmt reads unexported fields past every method,
// so do not keep one in an unexported field of something that gets printed.
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
