package main

import (
	"fmt"
	"strings"
)

// goal is what a row is to reach. A nil function and a zero ask for nothing.
type goal struct {
	seconds   func(b base) float64 // most of ncloudfs's median, in full sizes
	writeBack func(b base) float64 // the same for --write-back
	stored    float64              // most seconds more until --write-back has all in the bucket, in full sizes
	requests  func(z sizes) int    // most of ncloudfs
	fetched   func(z sizes) int64  // bytes, most of ncloudfs
	memory    int64                // bytes, peak of ncloudfs, in full sizes
	cpu       float64              // seconds, most of ncloudfs, in full sizes
}

// base is what goals are relative to, all in seconds.
type base struct {
	Trip  float64 `json:"trip"` // one round trip
	Sync  float64 `json:"sync"` // one fdatasync of 4 KiB more on the disk
	alone float64 // the client's median; 0: not measured
	disk  float64 // the disk's median; 0: not measured
}

func most(seconds float64) func(base) float64 {
	return func(base) float64 { return seconds }
}

// andAlone adds that it takes at most factor as long as the client alone.
func andAlone(seconds, factor float64) func(base) float64 {
	return func(b base) float64 {
		if b.alone == 0 {
			return seconds
		}
		return min(seconds, factor*b.alone)
	}
}

// trips allows factor * n round trips.
func trips(factor float64, n int) func(base) float64 {
	return func(b base) float64 { return factor * float64(n) * b.Trip }
}

// syncs allows n syncs and some seconds more.
func syncs(n int, more float64) func(base) float64 {
	return func(b base) float64 { return float64(n)*b.Sync + more }
}

// asDisk allows factor times what the disk takes.
func asDisk(factor float64) func(base) float64 {
	return func(b base) float64 { return factor * b.disk }
}

func none(sizes) int { return 0 }

// describe says the limits as numbers.
func (g goal) describe(b base, z sizes) string {
	var all []string
	if limit := g.limit(ncloudfs, b); limit > 0 && z.IsFull {
		all = append(all, "≤ "+seconds(limit))
	}
	if limit := g.limit(writeBack, b); limit > 0 && z.IsFull {
		all = append(all, "write-back ≤ "+seconds(limit))
	}
	if g.stored > 0 && z.IsFull {
		all = append(all, "+ "+seconds(g.stored))
	}
	if g.requests != nil {
		all = append(all, fmt.Sprintf("≤ %d requests", g.requests(z)))
	}
	if g.fetched != nil {
		all = append(all, fmt.Sprintf("≤ %s fetched", mib(g.fetched(z))))
	}
	if g.memory > 0 && z.IsFull {
		all = append(all, "≤ "+mib(g.memory))
	}
	if g.cpu > 0 && z.IsFull {
		all = append(all, fmt.Sprintf("≤ %.2f CPU s", g.cpu))
	}
	return strings.Join(all, ", ")
}

// limit is the most seconds of a contender; 0: any.
func (g goal) limit(contender string, b base) float64 {
	switch {
	case contender == ncloudfs && g.seconds != nil:
		return g.seconds(b)
	case contender == writeBack && g.writeBack != nil:
		return g.writeBack(b)
	}
	return 0
}

// countsMissed says which of the limits that do not depend on time a sample of
// ncloudfs is over.
func (g goal) countsMissed(s sample, z sizes) []string {
	var missed []string
	if g.requests != nil && s.requests() > g.requests(z) {
		missed = append(missed, fmt.Sprintf("%d requests, over %d: %v", s.requests(), g.requests(z), s.Requests))
	}
	if g.fetched != nil && s.Out > g.fetched(z) {
		missed = append(missed, fmt.Sprintf("%s fetched, over %s", mib(s.Out), mib(g.fetched(z))))
	}
	return missed
}
