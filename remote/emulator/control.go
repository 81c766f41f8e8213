package emulator

import (
	"encoding/json"
	"io"
	"net/http"
)

// Control is a handler for tests in other processes. Serve it on an address
// of its own, never on the service's: it asks for no credentials.
//
//	GET    /counts   {"counts": {OPERATION: n, ...}, "traffic": {"in": bytes, "out": bytes}}
//	GET    /log      [{"operation": ..., "bucket": ..., "key": ..., "status": n}, ...]; needs Options.Record
//	POST   /reset    counts, traffic and log begin anew
//	POST   /faults   adds the Fault in the body
//	DELETE /faults   removes all and releases what they stall
//	POST   /objects  puts each Generated in the body, one JSON value after another
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		sendJSON(w, struct {
			Counts  map[string]int `json:"counts"`
			Traffic Traffic        `json:"traffic"`
		}{s.Counts(), s.Traffic()})
	})
	mux.HandleFunc("GET /log", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, s.Log()) })
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetCounts()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if !f.Effect.known() {
			http.Error(w, "unknown effect", http.StatusBadRequest)
			return
		}
		s.faults.Add(f)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		s.faults.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /objects", s.generateAll)
	return mux
}

func (s *Server) generateAll(w http.ResponseWriter, r *http.Request) {
	for d := json.NewDecoder(r.Body); ; {
		var g Generated
		err := d.Decode(&g)
		if err == io.EOF {
			break
		}
		if err == nil {
			err = s.Generate(g)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func sendJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // fails only when the client went away
}
