package emulator

import (
	"encoding/xml"
	"errors"
	"net/http"
)

const maxDelete = 1000

func (s *Server) deleteObject(r *request) error {
	if _, err := s.access(r, permWrite); err != nil {
		return err
	}
	if err := r.ready(); err != nil {
		return err
	}
	if err := s.store.deleteObject(r.bucket, r.key); err != nil {
		return err
	}
	return r.answer.sendEmpty(http.StatusNoContent)
}

type deleteXML struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool     `xml:"Quiet"`
	Objects []struct {
		Key string `xml:"Key"`
	} `xml:"Object"`
}

func (s *Server) deleteObjects(r *request) error {
	if _, err := s.store.bucket(r.bucket); err != nil {
		return err
	}
	if r.Header.Get("Content-MD5") == "" {
		return refuse("InvalidRequest", "the request needs a Content-MD5")
	}
	var want deleteXML
	if err := r.decode(&want, "MalformedXML"); err != nil {
		return err
	}
	if n := len(want.Objects); n == 0 || n > maxDelete {
		return refuse("MalformedXML", "a request deletes 1 to %d objects, not %d", maxDelete, n)
	}
	if err := r.ready(); err != nil {
		return err
	}
	_, denied := s.access(r, permWrite)
	var d document
	d.root("DeleteResult")
	for _, o := range want.Objects {
		err := denied
		if err == nil {
			err = s.store.deleteObject(r.bucket, o.Key)
		}
		switch {
		case err != nil:
			d.failure(o.Key, err)
		case !want.Quiet:
			d.open("Deleted")
			d.text("Key", o.Key)
			d.close("Deleted")
		}
	}
	d.close("DeleteResult")
	return r.answer.sendDocument(&d)
}

// failure is the entry of a key that could not be deleted.
func (d *document) failure(key string, err error) {
	e, ok := errors.AsType[*apiError](err)
	if !ok {
		e = refuse("InternalError", "%v", err)
	}
	d.open("Error")
	d.text("Key", key)
	d.text("Code", e.code)
	d.text("Message", e.message)
	d.close("Error")
}
