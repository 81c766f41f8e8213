package emulator

import (
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
)

const maxPage = 1000

// encoding writes names into a listing as encoding-type asked for.
type encoding struct{ url bool }

func pageEncoding(q url.Values) (encoding, error) {
	switch v := q.Get("encoding-type"); v {
	case "":
		return encoding{}, nil
	case "url":
		return encoding{url: true}, nil
	default:
		return encoding{}, refuse("InvalidArgument", "encoding-type can only be url, not %q", v)
	}
}

func (e encoding) name(s string) string {
	if e.url {
		return percentEncode(s, "/")
	}
	return s
}

func (e encoding) write(d *document) {
	if e.url {
		d.text("EncodingType", "url")
	}
}

// pageLimit reads max-keys or max-uploads; over 1000 is 1000.
func pageLimit(q url.Values, name string) (int, error) {
	v := q.Get(name)
	if v == "" {
		return maxPage, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, refuse("InvalidArgument", "%s must be a number of at least 0, not %q", name, v)
	}
	return min(n, maxPage), nil
}

// listObjects serves List Objects V1.
func (s *Server) listObjects(r *request) error {
	if _, err := s.access(r, permRead); err != nil {
		return err
	}
	enc, err := pageEncoding(r.query)
	if err != nil {
		return err
	}
	l := listing{prefix: r.query.Get("prefix"), delimiter: r.query.Get("delimiter"), marker: r.query.Get("marker")}
	if l.limit, err = pageLimit(r.query, "max-keys"); err != nil {
		return err
	}
	p, err := s.store.list(r.bucket, l)
	if err != nil {
		return err
	}
	var d document
	d.Grow(512 + 320*len(p.entries))
	d.root("ListBucketResult")
	d.text("Name", r.bucket)
	d.text("Prefix", enc.name(l.prefix))
	d.text("Marker", enc.name(l.marker))
	if p.truncated && s.givesNextMarker(l) {
		d.text("NextMarker", enc.name(p.entries[len(p.entries)-1].name))
	}
	d.number("MaxKeys", int64(l.limit))
	if l.delimiter != "" {
		d.text("Delimiter", enc.name(l.delimiter))
	}
	enc.write(&d)
	d.flag("IsTruncated", p.truncated)
	s.writeEntries(&d, p.entries, enc)
	d.close("ListBucketResult")
	return r.answer.sendDocument(&d)
}

func (s *Server) givesNextMarker(l listing) bool {
	switch s.o.NextMarker {
	case NextMarkerNever:
		return false
	case NextMarkerAlways:
		return true
	default:
		return l.delimiter != ""
	}
}

func (s *Server) writeEntries(d *document, entries []entry, enc encoding) {
	if s.o.ShufflePages {
		entries = slices.Clone(entries)
		rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	}
	for _, e := range entries {
		if e.object != nil {
			e.object.writeContents(d, enc)
		}
	}
	for _, e := range entries {
		if e.object == nil {
			d.open("CommonPrefixes")
			d.text("Prefix", enc.name(e.name))
			d.close("CommonPrefixes")
		}
	}
}

func (o *object) writeContents(d *document, enc encoding) {
	d.open("Contents")
	d.text("Key", enc.name(o.key))
	d.time("LastModified", o.modified)
	d.text("ETag", `"`+o.etag+`"`)
	d.number("Size", o.content.size())
	d.owner("Owner", o.acl.Owner)
	d.text("StorageClass", "STANDARD")
	d.close("Contents")
}
