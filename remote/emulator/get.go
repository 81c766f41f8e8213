package emulator

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// readable returns the object of the request, with a reference to its
// content, if the sender has the permission on it. Who may not list the
// bucket does not learn that a key is absent.
func (s *Server) readable(r *request, bucket, key, permission string) (*object, error) {
	b, err := s.store.bucket(bucket)
	if err != nil {
		return nil, err
	}
	o, err := s.store.object(bucket, key)
	if err != nil {
		if !b.ACL.allows(r.who, permRead) {
			return nil, refuse("AccessDenied", "the bucket's ACL does not allow it")
		}
		return nil, err
	}
	if !o.acl.allows(r.who, permission) {
		o.content.release()
		return nil, refuse("AccessDenied", "the object's ACL does not allow it")
	}
	return o, nil
}

// getObject serves GET and HEAD.
func (s *Server) getObject(r *request) error {
	o, err := s.readable(r, r.bucket, r.key, permRead)
	if err != nil {
		return err
	}
	defer o.content.release()
	if err := requestConditions(r.Header).judge(o); err != nil {
		if isNotModified(err) {
			o.describe(r.answer)
		}
		return err
	}
	size := o.content.size()
	off, n, err := byteRange(r.Header.Get("Range"), size)
	if err != nil {
		r.answer.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
		return err
	}
	o.describe(r.answer)
	h := r.answer.Header()
	h.Set("Content-Length", strconv.FormatInt(n, 10))
	status := http.StatusOK
	if _, ranged := parseRange(r.Header.Get("Range")); ranged {
		status = http.StatusPartialContent
		h.Set("Content-Range", contentRange(off, n, size))
	}
	r.answer.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	return o.content.writeTo(r.answer, off, n)
}

// describe sets the headers that tell of an object.
func (o *object) describe(a *answer) {
	h := a.Header()
	h.Set("ETag", `"`+o.etag+`"`)
	a.setTime("Last-Modified", o.modified)
	h.Set("Content-Type", o.contentType)
	h.Set("Accept-Ranges", "bytes")
	for name, value := range o.meta {
		h.Set("x-amz-meta-"+name, value)
	}
}

func contentRange(off, n, size int64) string {
	return "bytes " + strconv.FormatInt(off, 10) + "-" + strconv.FormatInt(off+n-1, 10) + "/" + strconv.FormatInt(size, 10)
}

// wantedRange is what a Range header asks for: first-last, first- (last is
// -1), or the last suffix ones.
type wantedRange struct {
	first, last int64
	suffix      bool
}

// parseRange reports ok only for one well-formed range; any other header is
// ignored, as HTTP has it.
func parseRange(header string) (w wantedRange, ok bool) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return w, false
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return w, false
	}
	var err error
	w.last = -1
	if last != "" {
		if w.last, err = strconv.ParseInt(last, 10, 64); err != nil || w.last < 0 {
			return w, false
		}
	}
	if first == "" {
		w.suffix = true
		return w, last != ""
	}
	if w.first, err = strconv.ParseInt(first, 10, 64); err != nil || w.first < 0 {
		return w, false
	}
	return w, w.last == -1 || w.first <= w.last
}

// byteRange is what to send of size bytes.
func byteRange(header string, size int64) (off, n int64, err error) {
	w, ok := parseRange(header)
	switch {
	case !ok:
		return 0, size, nil
	case w.suffix:
		n = min(w.last, size)
		off = size - n
	default:
		off = w.first
		n = size - off
		if w.last >= 0 {
			n = min(n, w.last-off+1)
		}
	}
	if n <= 0 {
		return 0, 0, refuse("InvalidRange", "the range is outside of the object's %d bytes", size)
	}
	return off, n, nil
}

// conditions are the If- headers of a read, or of the source of a copy.
type conditions struct {
	match, noneMatch           string
	modified, unmodified       time.Time
	hasModified, hasUnmodified bool
	unchanged                  error // the answer to noneMatch or modified
}

func parseConditions(h http.Header, prefix string) conditions {
	c := conditions{match: h.Get(prefix + "if-match"), noneMatch: h.Get(prefix + "if-none-match")}
	var err error
	c.modified, err = http.ParseTime(h.Get(prefix + "if-modified-since"))
	c.hasModified = err == nil
	c.unmodified, err = http.ParseTime(h.Get(prefix + "if-unmodified-since"))
	c.hasUnmodified = err == nil
	return c
}

func requestConditions(h http.Header) conditions {
	c := parseConditions(h, "")
	c.unchanged = &apiError{code: "NotModified", status: http.StatusNotModified}
	return c
}

func sourceConditions(h http.Header) conditions {
	c := parseConditions(h, "x-amz-copy-source-")
	c.unchanged = preconditionFailed()
	return c
}

func preconditionFailed() error {
	return refuse("PreconditionFailed", "the object does not meet a condition of the request")
}

func isNotModified(err error) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && e.status == http.StatusNotModified
}

// judge follows RFC 9110: a date counts only without the tag of its kind.
func (c conditions) judge(o *object) error {
	second := o.modified.Truncate(time.Second)
	switch {
	case c.match != "" && !matchesTag(c.match, o.etag):
		return preconditionFailed()
	case c.match == "" && c.hasUnmodified && second.After(c.unmodified):
		return preconditionFailed()
	case c.noneMatch != "" && matchesTag(c.noneMatch, o.etag):
		return c.unchanged
	case c.noneMatch == "" && c.hasModified && !second.After(c.modified):
		return c.unchanged
	}
	return nil
}

func matchesTag(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.Trim(strings.TrimPrefix(tag, "W/"), `"`) == etag {
			return true
		}
	}
	return false
}
