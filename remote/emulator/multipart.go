package emulator

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
)

func (s *Server) createUpload(r *request) error {
	if _, err := s.access(r, permWrite); err != nil {
		return err
	}
	o, err := s.newObject(r)
	if err != nil {
		return err
	}
	if err := r.ready(); err != nil {
		return err
	}
	u := &upload{
		id:        fmt.Sprintf("%012x%s", r.now.UnixMilli(), rand.Text()),
		key:       r.key,
		initiator: r.identity(), initiated: stamp(r.now),
		contentType: o.contentType, meta: o.meta, acl: o.acl,
	}
	if err := s.store.createUpload(r.bucket, u); err != nil {
		return err
	}
	var d document
	d.root("InitiateMultipartUploadResult")
	d.text("Bucket", r.bucket)
	d.text("Key", r.key)
	d.text("UploadId", u.id)
	d.close("InitiateMultipartUploadResult")
	return r.answer.sendDocument(&d)
}

// ownUpload returns the upload of the request if the sender may go on with
// it: its initiator or the bucket's owner, who may write to the bucket.
func (s *Server) ownUpload(r *request) (*upload, error) {
	b, err := s.access(r, permWrite)
	if err != nil {
		return nil, err
	}
	u, err := s.store.upload(r.bucket, r.key, r.query.Get("uploadId"))
	if err != nil {
		return nil, err
	}
	if id := r.identity().ID; id != u.initiator.ID && id != b.ACL.Owner.ID {
		return nil, refuse("AccessDenied", "the upload is somebody else's")
	}
	return u, nil
}

func (s *Server) uploadPart(r *request) error {
	u, err := s.ownUpload(r)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(r.query.Get("partNumber"))
	if err != nil || number < 1 || number > maxParts {
		return refuse("InvalidArgument", "partNumber must be 1 to %d", maxParts)
	}
	p, err := r.payload()
	if err != nil {
		return err
	}
	if p.size > maxSinglePut {
		return refuse("EntityTooLarge", "a part has at most %d bytes", int64(maxSinglePut))
	}
	b, err := s.store.receive(p)
	if err != nil {
		return err
	}
	if err := r.ready(); err != nil {
		content{b}.release()
		return err
	}
	uploaded := &part{number: number, blob: b, tag: s.tag(p.sum)}
	if err := s.store.putPart(r.bucket, r.key, u.id, uploaded); err != nil {
		return err
	}
	r.answer.Header().Set("ETag", `"`+uploaded.etag()+`"`)
	return r.answer.sendEmpty(http.StatusOK)
}

type completeXML struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Parts   []asked  `xml:"Part"`
}

func (s *Server) completeUpload(r *request) error {
	u, err := s.ownUpload(r)
	if err != nil {
		return err
	}
	var want completeXML
	if err := r.decode(&want, "MalformedXML"); err != nil {
		return err
	}
	if len(want.Parts) == 0 || len(want.Parts) > maxParts {
		return refuse("MalformedXML", "an object has 1 to %d parts", maxParts)
	}
	if err := r.ready(); err != nil {
		return err
	}
	o, err := s.store.completeUpload(r.bucket, r.key, u.id, want.Parts, stamp(s.o.Clock()))
	if err != nil {
		return err
	}
	var d document
	d.root("CompleteMultipartUploadResult")
	d.text("Location", "http://"+r.Host+percentEncode(r.URL.Path, "/"))
	d.text("Bucket", r.bucket)
	d.text("Key", r.key)
	d.text("ETag", `"`+o.etag+`"`)
	d.close("CompleteMultipartUploadResult")
	return r.answer.sendDocument(&d)
}

func (s *Server) abortUpload(r *request) error {
	u, err := s.ownUpload(r)
	if err != nil {
		return err
	}
	if err := r.ready(); err != nil {
		return err
	}
	if err := s.store.abortUpload(r.bucket, r.key, u.id); err != nil {
		return err
	}
	return r.answer.sendEmpty(http.StatusNoContent)
}
