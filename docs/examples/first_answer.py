"""Where should SqueezeNet be cut between a slow device and this machine, over a LAN and over Wi-Fi?"""

import edgecut

bundle = edgecut.export_model(
    "squeezenet1_1", "bundles/squeezenet1_1", input_size=64, num_classes=10, force=True
)
experiment = {
    "name": "first",
    "models": [bundle],
    "networks": ["lan", "wifi"],
    "splits": ["features.4", "features.7", "features.10"],
    "depths": [1, 4],
    "trials": 2,
}

with edgecut.local_lab({"pi": 18, "server": 1}) as lab:
    edgecut.run_sweep(experiment, lab, "results/first.sqlite", on_step=print)

results = edgecut.load_results("results/first.sqlite")
print(results.answers[["network", "objective", "where", "latency_p50_s", "throughput_per_s"]])
results.figure("squeezenet1_1-wifi-capability").save("results/front.pdf")
results.write_report("results/first")
