package control

import (
	"encoding"
	"time"
)

// Duration is a time.Duration that is text in JSON: "10m", "1h30m".
type Duration time.Duration

var (
	_ = encoding.TextMarshaler(Duration(0))
	_ = encoding.TextUnmarshaler((*Duration)(nil))
)

// MarshalText is encoding.TextMarshaler's.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText is encoding.TextUnmarshaler's.
func (d *Duration) UnmarshalText(text []byte) error {
	read, err := time.ParseDuration(string(text))
	*d = Duration(read)
	return err
}
