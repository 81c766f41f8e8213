package emulator

import (
	"log/slog"
	"time"
)

// Account is somebody who may sign requests.
type Account struct {
	ID          string // member id as it stands in ACLs, e.g. "ncp-1234567-0"
	DisplayName string // default: ID
	AccessKey   string
	SecretKey   string
}

// String names the account without its secret.
func (a Account) String() string { return a.ID }

// GoString names the account without its secret.
func (a Account) GoString() string { return a.ID }

// NextMarker says when a truncated listing carries a NextMarker element:
// NAVER's documentation leaves it open, so a client must cope with all.
type NextMarker int

// The ways of a NextMarker.
const (
	NextMarkerWithDelimiter NextMarker = iota // as AWS: only when a delimiter was given
	NextMarkerNever
	NextMarkerAlways
)

// Options configure a Server. The zero value has no accounts, so that only
// anonymous requests can be made.
type Options struct {
	Accounts []Account

	Region string // SigV4 region that requests must be signed for; default "kr-standard"
	Domain string // virtual-host style: requests to BUCKET.Domain; default: path style only
	Dir    string // where buckets are kept; default: in memory

	MaxBuckets int // per account; default 1000, as many as List Buckets can show

	NextMarker   NextMarker
	ShufflePages bool // entries of a listing page come in no order; default: ascending bytes

	OpaqueETags bool // ETags are not MD5s, as perhaps in buckets encrypted through KMS

	Latency   time.Duration // before the first byte of every answer; default none
	Bandwidth int64         // bytes per second of one connection in either direction; default unlimited

	ReadyMemory int64 // bytes for parts whose pages are there from the start: where they come late, that takes longer than all else; default none

	Record bool // keep a log of requests for Server.Log; default: counts only

	Clock  func() time.Time // default time.Now; judges request dates and stamps objects
	Logger *slog.Logger     // default: discards; one debug line per request
}

func (o Options) withDefaults() Options {
	if o.Region == "" {
		o.Region = "kr-standard"
	}
	if o.MaxBuckets == 0 {
		o.MaxBuckets = 1000
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
