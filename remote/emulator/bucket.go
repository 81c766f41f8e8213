package emulator

import (
	"encoding/xml"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// bucketInfo is what is known of a bucket besides its objects. Immutable:
// a change replaces it.
type bucketInfo struct {
	Name    string
	Created time.Time
	ACL     acl
	CORS    []corsRule `json:",omitempty"`
}

// access returns the bucket of the request if the sender has the permission.
func (s *Server) access(r *request, permission string) (*bucketInfo, error) {
	b, err := s.store.bucket(r.bucket)
	if err != nil {
		return nil, err
	}
	if !b.ACL.allows(r.who, permission) {
		return nil, refuse("AccessDenied", "the bucket's ACL does not allow it")
	}
	return b, nil
}

// owned returns the bucket of the request if the sender is its owner.
func (s *Server) owned(r *request) (*bucketInfo, error) {
	b, err := s.store.bucket(r.bucket)
	if err != nil {
		return nil, err
	}
	if r.identity().ID != b.ACL.Owner.ID {
		return nil, refuse("AccessDenied", "only the bucket's owner may do it")
	}
	return b, nil
}

func (s *Server) listBuckets(r *request) error {
	if r.who == nil {
		return refuse("AccessDenied", "an anonymous request has no buckets")
	}
	var d document
	d.root("ListAllMyBucketsResult")
	d.owner("Owner", r.identity())
	d.open("Buckets")
	for _, b := range s.store.bucketsOf(r.who.ID) {
		d.open("Bucket")
		d.text("Name", b.Name)
		d.time("CreationDate", b.Created)
		d.close("Bucket")
	}
	d.close("Buckets")
	d.close("ListAllMyBucketsResult")
	return r.answer.sendDocument(&d)
}

// createBucketXML is the optional body of PUT bucket.
type createBucketXML struct {
	XMLName  xml.Name `xml:"CreateBucketConfiguration"`
	Location string   `xml:"LocationConstraint"`
}

func (s *Server) createBucket(r *request) error {
	if r.who == nil {
		return refuse("AccessDenied", "an anonymous request cannot own a bucket")
	}
	if !validBucketName(r.bucket) {
		return refuse("InvalidBucketName", "%q cannot be a bucket's name", r.bucket)
	}
	a, err := s.headerACL(r.Header, r.identity())
	if err != nil {
		return err
	}
	body, err := r.document()
	if err != nil {
		return err
	}
	if len(body) > 0 {
		var c createBucketXML
		if err := xml.Unmarshal(body, &c); err != nil {
			return refuse("MalformedXML", "the XML is not a CreateBucketConfiguration")
		}
		if c.Location != "" && c.Location != s.o.Region {
			return refuse("InvalidLocationConstraint", "the region here is %s", s.o.Region)
		}
	}
	if err := r.ready(); err != nil {
		return err
	}
	b := &bucketInfo{Name: r.bucket, Created: stamp(r.now), ACL: a}
	if err := s.store.createBucket(b, s.o.MaxBuckets); err != nil {
		return err
	}
	r.answer.Header().Set("Location", "/"+r.bucket)
	return r.answer.sendEmpty(http.StatusOK)
}

func (s *Server) headBucket(r *request) error {
	if _, err := s.access(r, permRead); err != nil {
		return err
	}
	return r.answer.sendEmpty(http.StatusOK)
}

func (s *Server) deleteBucket(r *request) error {
	if _, err := s.owned(r); err != nil {
		return err
	}
	if err := r.ready(); err != nil {
		return err
	}
	if err := s.store.deleteBucket(r.bucket); err != nil {
		return err
	}
	return r.answer.sendEmpty(http.StatusNoContent)
}

func (s *Server) getBucketACL(r *request) error {
	b, err := s.access(r, permReadACP)
	if err != nil {
		return err
	}
	return b.ACL.send(r)
}

func (s *Server) putBucketACL(r *request) error {
	b, err := s.access(r, permWriteACP)
	if err != nil {
		return err
	}
	a, err := s.requestedACL(r, b.ACL.Owner)
	if err != nil {
		return err
	}
	if err := r.ready(); err != nil {
		return err
	}
	if err := s.store.updateBucket(r.bucket, func(b *bucketInfo) { b.ACL = a }); err != nil {
		return err
	}
	return r.answer.sendEmpty(http.StatusOK)
}

// validBucketName: 3 to 63 lower-case letters, digits, hyphens and dots,
// beginning and ending with a letter or digit, dots and hyphens not beside
// dots, and not an IP address.
func validBucketName(name string) bool {
	if len(name) < 3 || len(name) > 63 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			continue
		}
		if c != '-' && c != '.' || i == 0 || i == len(name)-1 {
			return false
		}
	}
	if strings.Contains(name, "..") || strings.Contains(name, ".-") || strings.Contains(name, "-.") {
		return false
	}
	_, err := netip.ParseAddr(name)
	return err != nil
}

// stamp is a time as objects and buckets carry it: in milliseconds.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
