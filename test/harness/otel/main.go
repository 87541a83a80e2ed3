// Command collector is an OpenTelemetry collector of the core modules alone: OTLP over HTTP goes in, and each batch comes out as a line of
// OTLP JSON in a file.
package main

import (
	"context"
	"log"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

type config struct {
	Path string `mapstructure:"path"`
}

func lines() exporter.Factory {
	create := func(ctx context.Context, settings exporter.Settings, cfg component.Config) (exporter.Traces, error) {
		file, err := os.OpenFile(cfg.(*config).Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		push := func(_ context.Context, traces ptrace.Traces) error {
			line, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
			if err == nil {
				_, err = file.Write(append(line, '\n'))
			}
			return err
		}
		closeFile := func(context.Context) error { return file.Close() }
		return exporterhelper.NewTraces(ctx, settings, cfg, push, exporterhelper.WithShutdown(closeFile))
	}
	newConfig := func() component.Config { return &config{} }
	return exporter.NewFactory(component.MustNewType("lines"), newConfig, exporter.WithTraces(create, component.StabilityLevelDevelopment))
}

func factories() (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	exporters, err := otelcol.MakeFactoryMap[exporter.Factory](lines())
	return otelcol.Factories{Receivers: receivers, Exporters: exporters, Telemetry: otelconftelemetry.NewFactory()}, err
}

func main() {
	command := otelcol.NewCommand(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "collector", Version: "test"},
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()},
				DefaultScheme:     "file",
			},
		},
	})
	if err := command.Execute(); err != nil {
		log.Fatal(err)
	}
}
