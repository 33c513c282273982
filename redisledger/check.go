package redisledger

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// What an operator is told of a server that would forget sign-outs. It is apart
// from the ledger's own calls, which complain of nothing: an app that starts
// beside a server with the wrong settings is still better off than one that
// does not start.

// Check tells in words what is wrong with the server, or with the client given
// to [New], for this use; all of it at once, by [errors.Join]. In a Cluster it
// asks every master. It is for an app's start and its health page: the middleware
// works with a server that it complains of, though sign-out may not last.
//
// It looks for a server that cannot be reached, is too old, evicts keys, keeps
// nothing over a restart, or refuses to store an entry; and for a client that
// does not heed deadlines or reads from replicas. It stores one entry for a
// second, under a key of its own, and changes nothing else. It is safe for
// concurrent use.
func (l *Ledger) Check(ctx context.Context) error {
	var faults []error
	fault := func(where, words string) {
		if where != "" {
			where += ": "
		}
		faults = append(faults, errors.New("redisledger: "+where+words))
	}
	switch client := l.client.(type) {
	case *redis.Client:
		if !client.Options().ContextTimeoutEnabled {
			fault("", "the client does not heed deadlines: set ContextTimeoutEnabled")
		}
	case *redis.ClusterClient:
		options := client.Options()
		if !options.ContextTimeoutEnabled {
			fault("", "the client does not heed deadlines: set ContextTimeoutEnabled")
		}
		if options.ReadOnly || options.RouteByLatency || options.RouteRandomly {
			fault("", "the client reads from replicas, which lag behind: an ended session may open once more")
		}
	}
	// First, since the settings of a server that cannot be written to are of no
	// interest by themselves.
	if err := l.tryOut(ctx); err != nil {
		faults = append(faults, err)
		if !isAnswer(err) {
			return errors.Join(faults...) // nobody is there to be asked
		}
	}
	err := l.eachServer(ctx, func(ctx context.Context, where string, server redis.Cmdable) error {
		text, err := server.Info(ctx).Result()
		if err != nil {
			fault(where, "the server does not tell its settings: "+err.Error())
			return nil
		}
		// Each names its server: in a Cluster, one master may be unlike the
		// others.
		for _, words := range complaints(infoOf(text)) {
			fault(where, words)
		}
		return nil
	})
	if err != nil {
		faults = append(faults, l.fault(ctx, err))
	}
	return errors.Join(faults...)
}

// tryOut stores an entry for a moment: an ACL, a replica, a full memory or a
// full disk would refuse it.
func (l *Ledger) tryOut(ctx context.Context) error {
	// No session's key begins so: they are one letter and a hash.
	key, value := "check-"+rand.Text(), []byte("check")
	swapped, err := l.CompareAndSwap(ctx, key, nil, value, time.Second)
	switch {
	case err != nil && isAnswer(err):
		return fmt.Errorf("redisledger: the server does not store entries: %w", err)
	case err != nil:
		return fmt.Errorf("redisledger: the server cannot be reached: %w", err)
	case !swapped:
		return errors.New("redisledger: the server does not store entries")
	}
	found, err := l.Load(ctx, key, key)
	switch {
	case err != nil:
		return fmt.Errorf("redisledger: the server does not give entries back: %w", err)
	case string(found[0]) != "check" || string(found[1]) != "check":
		return errors.New("redisledger: the server loses entries at once")
	}
	return nil
}

// isAnswer tells whether an error is the server's own. Such a server is there
// and may be asked for more.
func isAnswer(err error) bool {
	var answer redis.Error
	return err == nil || errors.As(err, &answer)
}

// eachServer calls ask for the server, or for each master of a Cluster, one
// after the other.
func (l *Ledger) eachServer(ctx context.Context, ask func(ctx context.Context, where string, server redis.Cmdable) error) error {
	cluster, ok := l.client.(*redis.ClusterClient)
	if !ok {
		return ask(ctx, "", l.client)
	}
	turn := make(chan struct{}, 1) // ForEachMaster calls them all at once
	return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		turn <- struct{}{}
		defer func() { <-turn }()
		return ask(ctx, master.Options().Addr, master)
	})
}

// infoOf parses the answer to INFO. Lines without a colon are headings.
func infoOf(text string) map[string]string {
	info := make(map[string]string)
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			info[name] = strings.TrimSpace(value)
		}
	}
	return info
}

// complaints are what is wrong with a server, by what INFO says of it. What it
// does not say is not complained of: managed services leave out much.
func complaints(info map[string]string) []string {
	var found []string
	// Valkey states the version of Redis that it is compatible with.
	if version := info["redis_version"]; version != "" && tooOld(version) {
		found = append(found, "version "+version+" is too old: 6.2 or later is needed")
	}
	// Also where maxmemory is not set: that changes under an operator who knows
	// of no ledger.
	if policy := info["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		found = append(found, "maxmemory-policy is "+policy+
			": an evicted entry may open a session that was ended; set noeviction and enough memory")
	}
	if info["aof_enabled"] == "0" {
		found = append(found, "appendonly is off: a restart forgets which sessions have ended, "+
			"all of them or those since the last snapshot; set appendonly yes")
	}
	if info["aof_last_write_status"] == "err" {
		found = append(found, "the append-only file cannot be written: its disk may be full")
	}
	// The word is INFO's own, in Redis and in Valkey.
	if info["role"] == "slave" {
		found = append(found, "it is a replica, which refuses writes: name the master, or Sentinel")
	}
	return found
}

// tooOld lets a version pass that is no number: it may be a fork's.
func tooOld(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errMajor := strconv.Atoi(major)
	b, errMinor := strconv.Atoi(minor)
	if errMajor != nil || errMinor != nil {
		return false
	}
	return a < 6 || a == 6 && b < 2
}
