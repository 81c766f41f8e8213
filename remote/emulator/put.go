package emulator

import (
	"crypto/md5"
	"encoding/hex"
	"net/http"
	"strings"
)

const (
	maxMeta            = 2 << 10 // bytes of all names and values
	defaultContentType = "application/octet-stream"
	metaPrefix         = "x-amz-meta-"
)

// metadata takes Content-Type and x-amz-meta-* from the request.
func metadata(h http.Header) (contentType string, meta map[string]string, err error) {
	if contentType = h.Get("Content-Type"); contentType == "" {
		contentType = defaultContentType
	}
	meta = map[string]string{}
	size := 0
	for name, values := range h {
		name, ok := strings.CutPrefix(strings.ToLower(name), metaPrefix)
		if !ok {
			continue
		}
		meta[name] = strings.Join(values, ",")
		size += len(name) + len(meta[name])
	}
	if size > maxMeta {
		return "", nil, refuse("MetadataTooLarge", "the metadata has %d bytes, over %d", size, maxMeta)
	}
	return contentType, meta, nil
}

// tag is the entity tag of a body with this MD5.
func (s *Server) tag(sum []byte) []byte {
	if !s.o.OpaqueETags {
		return sum
	}
	opaque := md5.Sum(sum)
	return opaque[:]
}

// newObject is the object that the request describes, without content. The
// writer owns it; without ACL headers it is private, also where it replaces
// one that was not.
func (s *Server) newObject(r *request) (*object, error) {
	contentType, meta, err := metadata(r.Header)
	if err != nil {
		return nil, err
	}
	a, err := s.headerACL(r.Header, r.identity())
	if err != nil {
		return nil, err
	}
	return &object{key: r.key, contentType: contentType, meta: meta, acl: a}, nil
}

// putObject stores the body. Conditions of the request are ignored: NAVER
// documents none for PUT.
func (s *Server) putObject(r *request) error {
	if _, err := s.access(r, permWrite); err != nil {
		return err
	}
	o, err := s.newObject(r)
	if err != nil {
		return err
	}
	p, err := r.payload()
	if err != nil {
		return err
	}
	if p.size > maxSinglePut {
		return refuse("EntityTooLarge", "a single PUT takes at most %d bytes", int64(maxSinglePut))
	}
	b, err := s.store.receive(p)
	if err != nil {
		return err
	}
	o.content, o.etag = content{b}, hex.EncodeToString(s.tag(p.sum))
	if err := r.ready(); err != nil {
		o.content.release()
		return err
	}
	o.modified = stamp(s.o.Clock())
	if err := s.store.putObject(r.bucket, o); err != nil {
		return err
	}
	r.answer.Header().Set("ETag", `"`+o.etag+`"`)
	return r.answer.sendEmpty(http.StatusOK)
}
