package emulator

import (
	"bytes"
	"crypto/rand"
	"encoding/xml"
	"net/http"
	"net/url"
	"time"
)

// request is one request being served.
type request struct {
	*http.Request
	answer *answer
	server *Server

	id     string // the service's own name for the request
	now    time.Time
	op     string
	bucket string
	key    string
	query  url.Values
	fault  *Fault // what shall go wrong, or nil

	who *Account   // nil: anonymous
	sig *signature // nil: anonymous
}

func (s *Server) newRequest(w http.ResponseWriter, hr *http.Request) *request {
	r := &request{Request: hr, server: s, id: rand.Text(), now: s.o.Clock(), query: hr.URL.Query()}
	r.bucket, r.key = splitPath(hr.URL.Path, hr.Host, s.o.Domain)
	r.op = route(hr, r.bucket, r.key, r.query)
	about := r.key
	if r.op == OpListObjects {
		about = r.query.Get("prefix")
	}
	r.fault = s.faults.take(r.op, r.bucket, about)
	r.answer = newAnswer(w, r)
	return r
}

// identity is the member id that ACLs know the sender by.
func (r *request) identity() grantee {
	if r.who == nil {
		return grantee{ID: anonymousID, DisplayName: anonymousID}
	}
	return grantee{ID: r.who.ID, DisplayName: r.who.DisplayName}
}

// maxDocument bounds an XML request body: 1000 keys of 1023 bytes, each byte
// a character reference of 6, fit.
const maxDocument = 8 << 20

// document reads the whole body, which is at most maxDocument bytes.
func (r *request) document() ([]byte, error) {
	p, err := r.payload()
	if err != nil {
		return nil, err
	}
	if p.size > maxDocument {
		return nil, refuse("MaxMessageLengthExceeded", "the document is over %d bytes", maxDocument)
	}
	var b bytes.Buffer
	if err := p.copyTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// decode reads the body as the XML document v; malformed is the error code
// for one that is not.
func (r *request) decode(v any, malformed string) error {
	b, err := r.document()
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(b, v); err != nil {
		return refuse(malformed, "the XML is not well-formed or not of the documented schema")
	}
	return nil
}
