// Alertmanager without its pages, which its module does not contain: its API and its store of alerts and silences, by its own code.
// Usage: alertmanager <address>
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/alertmanager/api"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/labelset"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/route"
)

const configuration = `
route: {receiver: none}
receivers: [{name: none}]
`

func main() {
	logger := promslog.New(&promslog.Config{})
	registry := prometheus.NewRegistry()
	recorder := eventrecorder.NopRecorder()
	silences, err := silence.New(silence.Options{Retention: time.Hour, Logger: logger, Metrics: registry, EventRecorder: recorder})
	check(err)
	silencer := silence.NewSilencer(silences, logger, recorder)
	alerts, err := mem.NewAlerts(context.Background(), time.Minute, 0, silencer, logger, recorder, registry, featurecontrol.NoopFlags{})
	check(err)
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "request_duration_seconds"}, []string{"handler", "method", "code"})
	handler, err := api.New(api.Options{
		Alerts:          alerts,
		Silences:        silences,
		Logger:          logger,
		Registry:        registry,
		RequestDuration: duration,
		GroupFunc: func(context.Context, func(*dispatch.Route) bool, dispatch.AlertFilter) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
			return nil, nil, nil
		},
	})
	check(err)
	loaded, err := config.Load(configuration)
	check(err)
	handler.Update(loaded, func(context.Context, labelset.LabelSet) {})
	check(http.ListenAndServe(os.Args[1], handler.Register(route.New(), "/")))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
