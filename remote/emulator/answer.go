package emulator

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// errBroken ends the writing of an answer whose connection is to be closed.
var errBroken = errors.New("the connection is cut by a fault")

// answer is the ResponseWriter of one request. It applies the latency, the
// bandwidth and the faults that befall an answer.
type answer struct {
	http.ResponseWriter
	r    *request
	out  *atomic.Int64 // the server's count of body bytes sent
	pace *pace

	status int
	sent   int64 // bytes of the body
	mark   int64 // where in the body the fault is, in bytes
	wrote  bool  // the header was written, or lost
	failed bool  // the answer is an error document
	broken bool  // the connection must be closed
	gone   bool  // the connection was closed already
}

func newAnswer(w http.ResponseWriter, r *request) *answer {
	a := &answer{ResponseWriter: w, r: r, out: &r.server.tally.out}
	a.pace = newPace(r.server.o.Bandwidth)
	w.Header().Set("x-amz-request-id", r.id)
	a.setTime("Date", r.now)
	return a
}

func (a *answer) WriteHeader(status int) {
	if a.wrote {
		return
	}
	a.wrote, a.status = true, status
	if a.r.fault != nil {
		a.mark = a.r.fault.Bytes
	}
	if a.r.has(CutHalf) {
		a.mark = a.bodyLength() / 2
	}
	if a.gone || a.r.has(Lose) || a.r.has(LoseLate) || (a.r.has(CutHalf) && a.bodyLength() == 0) {
		a.broken = !a.gone
		return
	}
	s := a.r.server
	s.sleep(a.r.Context(), s.o.Latency)
	if a.r.has(Delay) {
		s.sleep(a.r.Context(), a.r.fault.After)
	}
	a.ResponseWriter.WriteHeader(status)
	a.atMark() // a body cut or stalled at its first byte has a header still
}

// bodyLength is how many bytes will be written, by the header.
func (a *answer) bodyLength() int64 {
	if a.r.Method == http.MethodHead {
		return 0
	}
	n, _ := strconv.ParseInt(a.Header().Get("Content-Length"), 10, 64) // without one: 0
	return n
}

// marked is how many bytes may be written before the fault of the body, -1
// for any number.
func (a *answer) marked() int64 {
	if a.r.has(Cut) || a.r.has(CutHalf) || a.r.has(StallBody) || a.r.has(Corrupt) {
		if left := a.mark - a.sent; left >= 0 {
			return left
		}
	}
	return -1
}

// atMark cuts or stalls if the body has come to the place of its fault.
func (a *answer) atMark() {
	if a.marked() != 0 || a.r.has(Corrupt) {
		return
	}
	_ = http.NewResponseController(a.ResponseWriter).Flush()
	if a.r.has(Cut) || a.r.has(CutHalf) {
		a.broken = true
		return
	}
	a.r.stall()
	a.broken = a.r.Context().Err() != nil // nothing more for a client that went away
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	written := 0
	for len(p) > 0 {
		if a.broken || a.gone {
			return written, errBroken
		}
		piece := a.piece(p)
		n, err := a.ResponseWriter.Write(piece)
		written += n
		a.sent += int64(n)
		a.out.Add(int64(n))
		if err != nil {
			return written, err
		}
		a.pace.spent(a.r.Context(), int64(n))
		p = p[n:]
		a.atMark()
	}
	return written, nil
}

// piece is the beginning of p that can be written at once, with its byte
// inverted if that is the fault.
func (a *answer) piece(p []byte) []byte {
	if a.pace != nil {
		p = p[:min(len(p), paceStep)]
	}
	switch left := a.marked(); {
	case left > 0:
		p = p[:min(int64(len(p)), left)]
	case left == 0 && a.r.has(Corrupt):
		return []byte{^p[0]}
	}
	return p
}

// ReadFrom lets net/http use sendfile when nothing has to be done to the
// bytes.
func (a *answer) ReadFrom(src io.Reader) (int64, error) {
	a.WriteHeader(http.StatusOK)
	if a.broken || a.gone {
		return 0, errBroken
	}
	rf, ok := a.ResponseWriter.(io.ReaderFrom)
	if !ok || a.pace != nil || a.marked() >= 0 {
		return io.CopyBuffer(struct{ io.Writer }{a}, src, make([]byte, 256<<10))
	}
	n, err := rf.ReadFrom(src)
	a.sent += n
	a.out.Add(n)
	return n, err
}

// hangUp closes the connection now, while the request is still worked on.
// Over HTTP/2, which has no connection of its own, it is closed afterwards.
func (a *answer) hangUp() {
	conn, _, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err != nil {
		return
	}
	a.gone = true
	_ = conn.Close()
}

func (a *answer) sendXML(status int, body []byte) {
	a.Header().Set("Content-Type", "application/xml")
	a.Header().Set("Content-Length", strconv.Itoa(len(body)))
	a.WriteHeader(status)
	if a.r.Method != http.MethodHead {
		_, _ = a.Write(body)
	}
}

// sendDocument answers 200 with d.
func (a *answer) sendDocument(d *document) error {
	a.sendXML(http.StatusOK, d.Bytes())
	return nil
}

func (a *answer) sendEmpty(status int) error {
	if status != http.StatusNoContent {
		a.Header().Set("Content-Length", "0")
	}
	a.WriteHeader(status)
	return nil
}

// setTime sets a header to a date in whole seconds.
func (a *answer) setTime(name string, t time.Time) {
	a.Header().Set(name, t.UTC().Format(http.TimeFormat))
}
