package cache

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ncloudfs/remote"
)

// The names of s3fs's metadata convention (s3fs-fuse wiki and s3fs.cpp), which
// rclone shares for mtime. They stand behind x-amz-meta-.
const (
	metaMode  = "mode" // decimal, file type bits included
	metaUID   = "uid"
	metaGID   = "gid"
	metaMtime = "mtime" // seconds, optionally with a fraction
	metaAtime = "atime"
	metaCtime = "ctime"
	metaXattr = "xattr" // URL-encoded JSON object of base64 values
	metaRdev  = "rdev"  // ours: s3fs keeps a device's type, and loses its numbers
)

// Attr is what an object's metadata says of a file. A field that the metadata
// does not carry is zero, and HasMode or HasOwner is false.
type Attr struct {
	Mode     uint32 // type and permission bits as in stat(2)
	UID, GID uint32
	HasMode  bool
	HasOwner bool
	Mtime    time.Time
	Atime    time.Time
	Ctime    time.Time
	Xattrs   map[string][]byte // not to be changed in place
	Rdev     uint32            // of a device, as FUSE and stat(2) encode it
}

// ParseAttr reads s3fs's metadata convention; what cannot be read counts as
// not recorded.
func ParseAttr(m remote.Meta) Attr {
	var a Attr
	if v, err := strconv.ParseUint(m[metaMode], 10, 32); err == nil {
		a.Mode, a.HasMode = uint32(v), true
	}
	uid, uidErr := strconv.ParseUint(m[metaUID], 10, 32)
	gid, gidErr := strconv.ParseUint(m[metaGID], 10, 32)
	if uidErr == nil && gidErr == nil {
		a.UID, a.GID, a.HasOwner = uint32(uid), uint32(gid), true
	}
	a.Mtime = parseTime(m[metaMtime])
	a.Atime = parseTime(m[metaAtime])
	a.Ctime = parseTime(m[metaCtime])
	a.Xattrs = parseXattrs(m[metaXattr])
	if v, err := strconv.ParseUint(m[metaRdev], 10, 32); err == nil {
		a.Rdev = uint32(v)
	}
	return a
}

// Meta returns base with the attributes of a put in; names of base that the
// convention does not use are kept.
func (a Attr) Meta(base remote.Meta) remote.Meta {
	m := maps.Clone(base)
	if m == nil {
		m = remote.Meta{}
	}
	if a.HasMode {
		m[metaMode] = strconv.FormatUint(uint64(a.Mode), 10)
	}
	if a.HasOwner {
		m[metaUID] = strconv.FormatUint(uint64(a.UID), 10)
		m[metaGID] = strconv.FormatUint(uint64(a.GID), 10)
	}
	for name, t := range map[string]time.Time{metaMtime: a.Mtime, metaAtime: a.Atime, metaCtime: a.Ctime} {
		if !t.IsZero() {
			m[name] = formatTime(t)
		}
	}
	if a.Rdev != 0 {
		m[metaRdev] = strconv.FormatUint(uint64(a.Rdev), 10)
	}
	delete(m, metaXattr)
	if len(a.Xattrs) > 0 {
		m[metaXattr] = formatXattrs(a.Xattrs)
	}
	return m
}

// maxMeta is the service's limit on an object's metadata, in bytes: 2 KB of
// names and values in all, the prefix of the names counted to be safe.
const maxMeta = 2048

// hasOtherTimes reports whether the times that a program can set differ from b's.
func (a Attr) hasOtherTimes(b Attr) bool {
	return !a.Mtime.Equal(b.Mtime) || !a.Atime.Equal(b.Atime)
}

// Fits reports whether an object with the metadata base can carry a.
func (a Attr) Fits(base remote.Meta) bool {
	total := 0
	for name, value := range a.Meta(base) {
		total += len("x-amz-meta-") + len(name) + len(value)
	}
	return total <= maxMeta
}

// parseTime reads "SECONDS[.FRACTION]"; the fraction may have any length.
func parseTime(s string) time.Time {
	whole, frac, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}
	}
	frac = (frac + "000000000")[:9]
	nsec, err := strconv.ParseUint(frac, 10, 32)
	if err != nil {
		nsec = 0
	}
	return time.Unix(sec, int64(nsec))
}

func formatTime(t time.Time) string {
	s := strconv.FormatInt(t.Unix(), 10)
	if n := t.Nanosecond(); n != 0 {
		frac := strconv.Itoa(1_000_000_000 + n)[1:]
		s += "." + frac
	}
	return s
}

func parseXattrs(s string) map[string][]byte {
	if s == "" {
		return nil
	}
	text, err := url.PathUnescape(s)
	if err != nil {
		return nil
	}
	var m map[string][]byte // encoding/json decodes base64 into []byte
	if json.Unmarshal([]byte(text), &m) != nil {
		return nil
	}
	return m
}

func formatXattrs(m map[string][]byte) string {
	var b strings.Builder
	b.WriteByte('{')
	first := true
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !first {
			b.WriteByte(',')
		}
		first = false
		quoted, _ := json.Marshal(name) // a string always marshals
		b.Write(quoted)
		b.WriteString(`:"` + base64.StdEncoding.EncodeToString(m[name]) + `"`)
	}
	b.WriteByte('}')
	// s3fs decodes %20 but not "+".
	return strings.ReplaceAll(url.QueryEscape(b.String()), "+", "%20")
}
