package emulator

import "net/http"

func (s *Server) getObjectACL(r *request) error {
	o, err := s.readable(r, r.bucket, r.key, permReadACP)
	if err != nil {
		return err
	}
	defer o.content.release()
	return o.acl.send(r)
}

func (s *Server) putObjectACL(r *request) error {
	o, err := s.readable(r, r.bucket, r.key, permWriteACP)
	if err != nil {
		return err
	}
	defer o.content.release()
	a, err := s.requestedACL(r, o.acl.Owner)
	if err != nil {
		return err
	}
	if err := r.ready(); err != nil {
		return err
	}
	if err := s.store.setObjectACL(r.bucket, r.key, a); err != nil {
		return err
	}
	return r.answer.sendEmpty(http.StatusOK)
}
