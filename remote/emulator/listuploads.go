package emulator

import "strings"

// uploadListing is a question for a page of a bucket's unfinished uploads.
type uploadListing struct {
	listing            // of keys; marker is key-marker
	idMarker string    // with a key-marker: ids after it of that key too
	uploads  []*upload // of the page
	prefixes []string
	more     bool
	lastKey  string // the last entry, an upload or a common prefix
	lastID   string
}

// passed reports whether the upload stands before the page.
func (l *uploadListing) passed(u *upload) bool {
	if l.marker == "" {
		return false
	}
	if u.key == l.marker {
		return l.idMarker == "" || u.id <= l.idMarker
	}
	return u.key < l.marker
}

// fill chooses the page from all uploads, which come in order.
func (l *uploadListing) fill(all []*upload) {
	for _, u := range all {
		if !strings.HasPrefix(u.key, l.prefix) || l.passed(u) {
			continue
		}
		group, grouped := l.group(u.key)
		if grouped && (group <= l.marker || group == l.lastKey) {
			continue
		}
		if len(l.uploads)+len(l.prefixes) == l.limit {
			l.more = l.limit > 0
			return
		}
		if grouped {
			l.prefixes = append(l.prefixes, group)
			l.lastKey, l.lastID = group, ""
		} else {
			l.uploads = append(l.uploads, u)
			l.lastKey, l.lastID = u.key, u.id
		}
	}
}

func (s *Server) listUploads(r *request) error {
	if _, err := s.access(r, permRead); err != nil {
		return err
	}
	enc, err := pageEncoding(r.query)
	if err != nil {
		return err
	}
	q := r.query
	l := &uploadListing{
		listing:  listing{prefix: q.Get("prefix"), delimiter: q.Get("delimiter"), marker: q.Get("key-marker")},
		idMarker: q.Get("upload-id-marker"),
	}
	if l.limit, err = pageLimit(q, "max-uploads"); err != nil {
		return err
	}
	all, err := s.store.uploads(r.bucket)
	if err != nil {
		return err
	}
	l.fill(all)
	var d document
	l.write(&d, r.bucket, enc)
	return r.answer.sendDocument(&d)
}

func (l *uploadListing) write(d *document, bucket string, enc encoding) {
	d.root("ListMultipartUploadsResult")
	d.text("Bucket", bucket)
	d.text("KeyMarker", enc.name(l.marker))
	d.text("UploadIdMarker", l.idMarker)
	if l.more {
		d.text("NextKeyMarker", enc.name(l.lastKey))
		d.text("NextUploadIdMarker", l.lastID)
	}
	if l.delimiter != "" {
		d.text("Delimiter", enc.name(l.delimiter))
	}
	d.text("Prefix", enc.name(l.prefix))
	enc.write(d)
	d.number("MaxUploads", int64(l.limit))
	d.flag("IsTruncated", l.more)
	for _, u := range l.uploads {
		d.open("Upload")
		d.text("Key", enc.name(u.key))
		d.text("UploadId", u.id)
		d.owner("Initiator", u.initiator)
		d.owner("Owner", u.acl.Owner)
		d.text("StorageClass", "STANDARD")
		d.time("Initiated", u.initiated)
		d.close("Upload")
	}
	for _, p := range l.prefixes {
		d.open("CommonPrefixes")
		d.text("Prefix", enc.name(p))
		d.close("CommonPrefixes")
	}
	d.close("ListMultipartUploadsResult")
}
