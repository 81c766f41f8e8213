package emulator

import (
	"net/url"
	"strings"
)

// copySource reads x-amz-copy-source: /BUCKET/KEY or BUCKET/KEY, percent-encoded.
func copySource(header string) (bucket, key string, err error) {
	path, version, versioned := strings.Cut(header, "?")
	if versioned && strings.HasPrefix(version, "versionId=") {
		return "", "", refuse("NotImplemented", "objects have no versions")
	}
	path, err = url.PathUnescape(path)
	if err != nil {
		return "", "", refuse("InvalidArgument", "x-amz-copy-source is not percent-encoded")
	}
	bucket, key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if bucket == "" || key == "" {
		return "", "", refuse("InvalidArgument", "x-amz-copy-source is not BUCKET/KEY")
	}
	return bucket, key, nil
}

// copyObject makes an object of another's bytes. The ACL is not copied. The
// ETag is, also of an object that was uploaded in parts.
func (s *Server) copyObject(r *request) error {
	if _, err := s.access(r, permWrite); err != nil {
		return err
	}
	bucket, key, err := copySource(r.Header.Get("x-amz-copy-source"))
	if err != nil {
		return err
	}
	o, err := s.newObject(r)
	if err != nil {
		return err
	}
	replace := false
	switch d := r.Header.Get("x-amz-metadata-directive"); d {
	case "", "COPY":
	case "REPLACE":
		replace = true
	default:
		return refuse("InvalidArgument", "x-amz-metadata-directive is COPY or REPLACE, not %q", d)
	}
	src, err := s.readable(r, bucket, key, permRead)
	if err != nil {
		return err
	}
	defer src.content.release()
	if err := sourceConditions(r.Header).judge(src); err != nil {
		return err
	}
	if !replace && bucket == r.bucket && key == r.key {
		return refuse("InvalidRequest", "a copy of an object onto itself must replace its metadata")
	}
	if src.content.size() > maxSinglePut {
		return refuse("EntityTooLarge", "a copy takes at most %d bytes", int64(maxSinglePut))
	}
	if !replace {
		o.contentType, o.meta = src.contentType, src.meta
	}
	if err := r.ready(); err != nil {
		return err
	}
	o.content, o.etag, o.modified = src.content, src.etag, stamp(s.o.Clock())
	o.content.retain()
	if err := s.store.putObject(r.bucket, o); err != nil {
		return err
	}
	var d document
	d.root("CopyObjectResult")
	d.time("LastModified", o.modified)
	d.text("ETag", `"`+o.etag+`"`)
	d.close("CopyObjectResult")
	return r.answer.sendDocument(&d)
}
