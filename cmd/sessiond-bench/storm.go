package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// storm is token checks in the midst of more logins than can be hashed, beside
// what the floor makes of a machine on which as many cores are busy.
type storm struct {
	FloorIdle     figure `json:"floorIdle"` // Requests per second, these four.
	FloorBusy     figure `json:"floorBusy"`
	SessiondIdle  figure `json:"sessiondIdle"`
	SessiondStorm figure `json:"sessiondStorm"`
	// FloorKeeps and SessiondKeeps are the part that is left of the idle rate,
	// and Ratio the second over the first, all round by round.
	FloorKeeps    figure `json:"floorKeeps"`
	SessiondKeeps figure `json:"sessiondKeeps"`
	Ratio         figure `json:"ratio"`

	Logins     loginCount `json:"logins"`
	ResidentMB []float64  `json:"residentMB"` // At the end of each round's storm.
}

const (
	stormConnections = 64
	stormCost        = 12
	// stormKeeps is the least Ratio.
	stormKeeps = 0.9
	// stormLead is how long the storm blows before anything is measured: the
	// queue for hashing is full by then.
	stormLead = 2 * time.Second
)

func measureStorm(ctx context.Context, l *lab, s *scaling) error {
	redis, err := l.startRedis(ctx)
	if err != nil {
		return err
	}
	floor, err := l.startPeer(ctx, "floor", redis.address, 1, rotation)
	if err != nil {
		return err
	}
	ours, err := l.startBesieged(ctx, redis.address)
	if err != nil {
		return err
	}
	logins := newLogins(ours.target)
	defer logins.close()

	result := &storm{}
	var all samples
	take := func(s server, name string) error {
		s.name = name
		sample, err := l.measure(ctx, redis, s, stormConnections)
		all = append(all, sample)
		return err
	}
	for round := range l.options.rounds {
		err := errors.Join(
			take(floor, "floor idle"),
			whileBusy(func() error { return take(floor, "floor busy") }),
			take(ours, "sessiond idle"),
			logins.during(ctx, l.options.stormRate, func() error { return take(ours, "sessiond storm") }),
		)
		if err != nil {
			return err
		}
		u, err := readUsage(ours.child.pid())
		if err != nil {
			return err
		}
		result.ResidentMB = append(result.ResidentMB, float64(u.rss)/1e6)
		l.say("storm: round %d of %d, %d logins so far", round+1, l.options.rounds, logins.count.Sent)
	}
	result.Logins = logins.count
	if result.Logins.Refused == 0 {
		return errors.New("no login was refused: that was no storm, see -storm-rate")
	}
	result.evaluate(all)
	s.addStorm(result)
	return nil
}

// startBesieged runs sessiond with users whose passwords take as long to hash
// as by default, behind the benchmark as a proxy that it trusts.
func (l *lab) startBesieged(ctx context.Context, redisAddress string) (server, error) {
	keys, err := l.keyDirectory()
	if err != nil {
		return server{}, err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(costPassword), stormCost)
	if err != nil {
		return server{}, err
	}
	headers := l.file("storm.headers")
	if err := seedLogins(ctx, redisAddress, 0, keys, headers, string(hash)); err != nil {
		return server{}, err
	}
	s, err := l.startSessiond(ctx, redisAddress, 0, keys,
		"SESSIOND_HTTP_TRUSTED_PROXIES=127.0.0.1/32", fmt.Sprintf("SESSIOND_PASSWORDS_BCRYPT_COST=%d", stormCost))
	s.target.headers = headers
	return s, err
}

// whileBusy runs work while as many cores hash as sessiond lets hash.
func whileBusy(work func() error) error {
	done := make(chan struct{})
	var busy sync.WaitGroup
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		busy.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_, _ = bcrypt.GenerateFromPassword([]byte(costPassword), stormCost)
				}
			}
		})
	}
	defer busy.Wait()
	defer close(done)
	return work()
}

func (r *storm) evaluate(all samples) {
	pick := func(name string) samples { return all.of(name, stormConnections) }
	perSecond := func(name string) figure {
		return figureOf(pick(name).values(func(s sample) float64 { return s.perSecond }))
	}
	r.FloorIdle, r.FloorBusy = perSecond("floor idle"), perSecond("floor busy")
	r.SessiondIdle, r.SessiondStorm = perSecond("sessiond idle"), perSecond("sessiond storm")
	floor := pick("floor busy").over(pick("floor idle"))
	ours := pick("sessiond storm").over(pick("sessiond idle"))
	r.FloorKeeps, r.SessiondKeeps = figureOf(floor), figureOf(ours)
	ratios := slices.Clone(ours)
	for i := range ratios {
		ratios[i] /= floor[i]
	}
	r.Ratio = figureOf(ratios)
}

func (s *scaling) addStorm(r *storm) {
	s.Storm = r
	t := table{head: []string{fmt.Sprintf("%d connections", stormConnections), "idle requests/s", "busy requests/s", "keeps (min–max)"}}
	t.add("floor, as many cores hashing", spread(r.FloorIdle, 0), spread(r.FloorBusy, 0), spread(r.FloorKeeps, 2))
	t.add("sessiond, storm of logins", spread(r.SessiondIdle, 0), spread(r.SessiondStorm, 0), spread(r.SessiondKeeps, 2))
	n := r.Logins
	counts := table{head: []string{"logins in the storm", "let in", "told to wait", "else", "p50 ms", "slowest ms", "sessiond MB by round"}}
	counts.add(fmt.Sprint(n.Sent), fmt.Sprint(n.Created), fmt.Sprint(n.Refused), fmt.Sprint(n.Failed),
		fmt.Sprintf("%.0f", n.P50), fmt.Sprintf("%.0f", n.Slowest), join(r.ResidentMB))
	s.tables = append(s.tables, &t, &counts)

	s.panels = append(s.panels, panel{
		title: fmt.Sprintf("Token checks kept while %d logins a second want to be hashed, as a part of the idle rate", n.PerSecond),
		bars: []bar{
			{label: "floor, as many cores hashing", value: r.FloorKeeps, text: fmt.Sprintf("%.2f", r.FloorKeeps.Median)},
			{label: "sessiond, storm of logins", value: r.SessiondKeeps, ours: true, text: fmt.Sprintf("%.2f", r.SessiondKeeps.Median)},
		},
	})
	s.Goals = append(s.Goals,
		atLeast("checks kept in a storm of logins / kept by the floor", r.Ratio.Median, stormKeeps, 0),
		atMost(fmt.Sprintf("of %d logins neither let in nor told when to try again", n.Sent), "", float64(n.Failed), 0, 0),
		atMost("slowest answer to a login", "s", n.Slowest/1000, loginDeadline.Seconds(), 0),
		atMost("sessiond's memory in the last round's storm, over the first", "", r.ResidentMB[len(r.ResidentMB)-1]/r.ResidentMB[0], 1.1, 0))
}
