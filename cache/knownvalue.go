package cache

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"ncloudfs/remote"
)

// Bits of the flags of a value.
const (
	knownApproximate = 1 << iota
	knownDoubtful
)

// encodeKnown returns what the disk keeps of key:
//
//	CRC32C of key and of all that follows, uint32 LE | flags, a byte
//	modified and asked: nanoseconds since 1970, varint | size, varint
//	ETag | content type | name and value of each metadata
//
// with the length of each string before it, uvarint.
func encodeKnown(key string, h *knownObject) []byte {
	b := make([]byte, 4, 256)
	var flags byte
	if h.approximate {
		flags |= knownApproximate
	}
	if h.doubtful {
		flags |= knownDoubtful
	}
	b = append(b, flags)
	b = appendInstant(b, h.modified)
	b = appendInstant(b, h.asked)
	b = binary.AppendVarint(b, h.size)
	b = appendText(b, string(h.etag))
	b = appendText(b, h.contentType)
	for _, name := range slices.Sorted(maps.Keys(h.meta)) {
		b = appendText(appendText(b, name), h.meta[name])
	}
	binary.LittleEndian.PutUint32(b, knownSum(key, b[4:]))
	return b
}

func knownSum(key string, value []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(key), castagnoli()), castagnoli(), value)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendInstant(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendVarint(b, 0)
	}
	return binary.AppendVarint(b, t.UnixNano())
}

// decodeKnown is the reverse of encodeKnown; errKnownBroken for anything else.
func decodeKnown(key string, b []byte) (h knownObject, err error) {
	if len(b) < 5 || binary.LittleEndian.Uint32(b) != knownSum(key, b[4:]) {
		return h, fmt.Errorf("%w: value of %q", errKnownBroken, key)
	}
	h.approximate, h.doubtful = b[4]&knownApproximate != 0, b[4]&knownDoubtful != 0
	r := valueReader{rest: b[5:]}
	h.modified, h.asked, h.size = r.instant(), r.instant(), r.number()
	h.etag, h.contentType = remote.ETag(r.text()), r.text()
	h.meta = remote.Meta{}
	for len(r.rest) > 0 && !r.failed {
		name := r.text()
		h.meta[name] = r.text()
	}
	if r.failed {
		return knownObject{}, fmt.Errorf("%w: value of %q", errKnownBroken, key)
	}
	return h, nil
}

// valueReader takes a value apart, and copies what it returns.
type valueReader struct {
	rest   []byte
	failed bool
}

func (r *valueReader) number() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *valueReader) instant() time.Time {
	if v := r.number(); v != 0 {
		return time.Unix(0, v).UTC()
	}
	return time.Time{}
}

func (r *valueReader) text() string {
	size, n := binary.Uvarint(r.rest)
	if n <= 0 || size > uint64(len(r.rest)-n) {
		r.failed = true
		return ""
	}
	s := string(r.rest[n : n+int(size)])
	r.rest = r.rest[n+int(size):]
	return s
}
