using System.Diagnostics.CodeAnalysis;
using DiffusionClip.Unicode;

namespace DiffusionClip.Reporting.Metadata;

/// <summary>
/// ComfyUI: the graph of nodes that was run, under <c>prompt</c>. Nothing in it says what made the picture; it has to be
/// walked from the node that saved it. Every walk visits a node once, so circles end and time is linear.
/// </summary>
internal static class ComfyUiMetadata
{
    // What a node that only holds a value calls it.
    private static readonly string[] ValueNames = ["value", "text", "string", "seed", "noise_seed"];

    private static readonly string[] TextNames = ["text", "text_g", "text_l", "clip_l", "t5xxl"];

    private static readonly string[] ModelFileNames = ["ckpt_name", "unet_name", "model_name", "model_path"];

    // Inputs of a node between text and sampler that carry no text.
    private static readonly HashSet<string> OtherNames =
    [
        "model",
        "clip",
        "vae",
        "image",
        "images",
        "pixels",
        "mask",
        "samples",
        "latent",
        "latent_image",
        "control_net",
        "clip_vision_output",
    ];

    public static PictureMetadata? Read(MetadataTexts texts)
    {
        // Under the same keyword others keep plain words.
        if (texts["prompt"] is not { } text || PythonText.Strip(text) is not ['{', ..] || texts.Object("prompt") is not { } root)
        {
            return null;
        }

        var graph = new Graph(root);
        if (graph.Nodes.Count == 0)
        {
            return null;
        }

        var metadata = new PictureMetadata { Format = "comfyui" };
        return FindSampler(graph) is { } sampler ? Read(graph, sampler, metadata) : metadata;
    }

    private static PictureMetadata Read(Graph graph, Node sampler, PictureMetadata metadata)
    {
        Node? guider = graph.Linked(sampler, "guider");
        Node conditioned = guider ?? sampler;
        Node? schedule = FollowUntil(graph, graph.Linked(sampler, "sigmas"), node => node.Inputs["steps"] is not null);
        Node? noise = graph.Linked(sampler, "noise");
        Node? algorithm = FollowUntil(graph, graph.Linked(sampler, "sampler"), node => node.Inputs["sampler_name"] is not null);

        JsonTree? Value(string name, params ReadOnlySpan<Node?> nodes)
        {
            foreach (Node? node in nodes)
            {
                if (node is not null && graph.Value(node, name) is { } value)
                {
                    return value;
                }
            }

            return null;
        }

        OrderedDictionary<string, string> extras = [];
        string? positive = CollectText(graph, conditioned, negative: false, extras);
        string? negative = CollectText(graph, conditioned, negative: true, null);
        (string? model, List<LoraMetadata>? loras) = Model(graph, conditioned.Inputs["model"] is null ? sampler : conditioned);
        double? denoise = Value("denoise", sampler, schedule)?.Double;
        (int? width, int? height) = Size(graph, sampler);
        return metadata with
        {
            Prompt = positive,
            NegativePrompt = negative,
            Steps = Value("steps", sampler, schedule)?.Int,
            Sampler = Value("sampler_name", sampler, algorithm)?.String,
            Scheduler = Value("scheduler", sampler, schedule)?.String,
            CfgScale = Value("cfg", sampler, guider)?.Double,
            Seed = (Value("seed", sampler, noise) ?? Value("noise_seed", sampler, noise))?.Digits,
            Width = width,
            Height = height,
            Model = model,
            Loras = loras,
            DenoisingStrength = denoise < 1 ? denoise : null,
            Extras = extras.Count == 0 ? null : extras,
        };
    }

    /// <summary>The first pass: upstream of what was saved, the sampler that has no sampler upstream of it.</summary>
    private static Node? FindSampler(Graph graph)
    {
        Node? found = null;
        foreach (IEnumerable<Node> ends in (ReadOnlySpan<IEnumerable<Node>>)
            [
                graph.Nodes.Values.Where(node => node.Type.Contains("SaveImage", StringComparison.Ordinal)),
                graph.Nodes.Values.Where(node => node.Type.Contains("PreviewImage", StringComparison.Ordinal)),
                graph.Nodes.Values, // saved by a custom node
            ])
        {
            List<Node> upstream = Upstream(graph, ends);
            List<Node> samplers = upstream.FindAll(IsSampler);
            if (samplers.Count == 0)
            {
                samplers = upstream.FindAll(IsLooseSampler);
            }

            if (samplers.Count > 0)
            {
                HashSet<Node> later = Downstream(graph, samplers);
                found = samplers.Find(sampler => !later.Contains(sampler)) ?? samplers[0];
                break;
            }
        }

        return found;
    }

    private static bool IsSampler(Node node) =>
        node.Inputs["latent_image"] is not null
        && (node.Inputs["sampler"] ?? node.Inputs["sampler_name"] ?? node.Inputs["guider"] ?? node.Inputs["steps"]) is not null;

    private static bool IsLooseSampler(Node node) =>
        node.Inputs["steps"] is not null && (node.Inputs["seed"] ?? node.Inputs["noise_seed"]) is not null;

    private static List<Node> Upstream(Graph graph, IEnumerable<Node> ends)
    {
        List<Node> reached = [];
        HashSet<Node> seen = [];
        foreach (Node end in ends)
        {
            if (seen.Add(end))
            {
                reached.Add(end);
            }
        }

        for (int i = 0; i < reached.Count; i++)
        {
            foreach (JsonTree input in reached[i].Inputs.Members.Values)
            {
                if (graph.TryLink(input, out Node? source, out _) && seen.Add(source))
                {
                    reached.Add(source);
                }
            }
        }

        return reached;
    }

    private static HashSet<Node> Downstream(Graph graph, List<Node> starts)
    {
        Dictionary<Node, List<Node>> consumers = [];
        foreach (Node node in graph.Nodes.Values)
        {
            foreach (JsonTree input in node.Inputs.Members.Values)
            {
                if (graph.TryLink(input, out Node? source, out _))
                {
                    (consumers.TryGetValue(source, out List<Node>? list) ? list : consumers[source] = []).Add(node);
                }
            }
        }

        HashSet<Node> reached = [];
        Queue<Node> next = new(starts);
        while (next.TryDequeue(out Node? node))
        {
            foreach (Node consumer in consumers.GetValueOrDefault(node) ?? [])
            {
                if (reached.Add(consumer))
                {
                    next.Enqueue(consumer);
                }
            }
        }

        return reached;
    }

    /// <summary>The texts that reach a sampler or guider on one side, joined by new lines; null if none does.</summary>
    private static string? CollectText(Graph graph, Node conditioned, bool negative, OrderedDictionary<string, string>? extras)
    {
        List<string> texts = [];
        HashSet<(Node, int)> seen = [];
        Stack<JsonTree> next = new();
        string side = negative ? "negative" : "positive";
        JsonTree? start = conditioned.Inputs[side];
        if (start is null && !negative)
        {
            start = conditioned.Inputs["conditioning"] ?? conditioned.Inputs["cond1"];
        }

        if (start is not null)
        {
            next.Push(start);
        }

        while (next.TryPop(out JsonTree? input))
        {
            if (input.String is { } words)
            {
                texts.Add(words);
                continue;
            }

            if (!graph.TryLink(input, out Node? node, out int slot) || !seen.Add((node, slot)))
            {
                continue;
            }

            if (graph.Value(node, "guidance") is { Kind: JsonKind.Number, Scalar: { } guidance })
            {
                extras?.TryAdd("guidance", guidance);
            }

            if (node.Type == "ConditioningZeroOut")
            {
                texts.Add("");
                continue;
            }

            List<string> own = [];
            bool isText = false;
            foreach (string name in TextNames)
            {
                isText |= node.Inputs[name] is not null;
                if (graph.Value(node, name)?.Scalar is { } value && !own.Contains(value))
                {
                    own.Add(value);
                }
            }

            texts.AddRange(own);
            if (!isText)
            {
                foreach (JsonTree through in Enumerable.Reverse(Through(graph, node, slot, side)))
                {
                    next.Push(through);
                }
            }
        }

        return texts.Count == 0 ? null : string.Join('\n', texts);
    }

    /// <summary>The inputs of a node without text that its output's text comes from.</summary>
    private static List<JsonTree> Through(Graph graph, Node node, int slot, string side)
    {
        if (node.Inputs["positive"] is { } positive && node.Inputs["negative"] is { } negative)
        {
            if (positive.String is not null || negative.String is not null)
            {
                return [side == "positive" ? positive : negative];
            }

            return slot switch
            {
                0 => [positive],
                1 => [negative],
                _ => [],
            };
        }

        List<JsonTree> conditionings = [];
        List<JsonTree> others = [];
        foreach ((string name, JsonTree input) in node.Inputs.Members)
        {
            if (!graph.TryLink(input, out _, out _))
            {
                continue;
            }

            if (name.StartsWith("conditioning", StringComparison.Ordinal) || name is "positive" or "negative")
            {
                conditionings.Add(input);
            }
            else if (!OtherNames.Contains(name))
            {
                others.Add(input);
            }
        }

        return conditionings.Count > 0 ? conditionings : others;
    }

    /// <summary>The file at the root of the chain of model inputs, and the adapters on the way, first applied first.</summary>
    private static (string? Model, List<LoraMetadata>? Loras) Model(Graph graph, Node start)
    {
        List<LoraMetadata> loras = [];
        HashSet<Node> seen = [];
        string? model = null;
        for (Node? node = start; node is not null && seen.Add(node); node = NextModel(graph, node))
        {
            foreach (string name in ModelFileNames)
            {
                model ??= MetadataText.ModelName(graph.Value(node, name)?.String);
            }

            if (MetadataText.ModelName(graph.Value(node, "lora_name")?.String) is { } lora)
            {
                loras.Add(new(lora, (graph.Value(node, "strength_model") ?? graph.Value(node, "strength"))?.Double));
            }

            if (model is not null)
            {
                break;
            }
        }

        loras.Reverse();
        return (model, loras.Count == 0 ? null : loras);
    }

    private static Node? NextModel(Graph graph, Node node) =>
        graph.Linked(node, "model") ?? graph.Linked(node, "model1") ?? graph.OnlyLink(node);

    private static (int? Width, int? Height) Size(Graph graph, Node sampler)
    {
        HashSet<Node> seen = [];
        for (Node? node = graph.Linked(sampler, "latent_image"); node is not null && seen.Add(node);)
        {
            if (graph.Value(node, "width")?.Int is { } width && graph.Value(node, "height")?.Int is { } height)
            {
                return (width, height);
            }

            if (node.Inputs["scale_by"] is not null)
            {
                break; // what comes before has another size
            }

            node = graph.Linked(node, "samples") ?? graph.Linked(node, "latent") ?? graph.Linked(node, "latent_image")
                ?? graph.Linked(node, "pixels") ?? graph.Linked(node, "image") ?? graph.OnlyLink(node);
        }

        return (null, null);
    }

    private static Node? FollowUntil(Graph graph, Node? node, Func<Node, bool> found)
    {
        HashSet<Node> seen = [];
        for (; node is not null && seen.Add(node); node = graph.Linked(node, "sigmas") ?? graph.OnlyLink(node))
        {
            if (found(node))
            {
                return node;
            }
        }

        return null;
    }

    private sealed record Node(string Type, JsonTree Inputs)
    {
        public bool Equals(Node? other) => ReferenceEquals(this, other);

        public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
    }

    private sealed class Graph
    {
        public Graph(JsonTree root)
        {
            foreach ((string id, JsonTree node) in root.Members)
            {
                if (node["class_type"]?.String is { } type)
                {
                    Nodes[id] = new(type, node["inputs"] is { Kind: JsonKind.Object } inputs ? inputs : node);
                }
            }
        }

        public OrderedDictionary<string, Node> Nodes { get; } = [];

        /// <summary>Whether an input is a link <c>[node, slot]</c> to a node that exists.</summary>
        public bool TryLink(JsonTree? input, [NotNullWhen(true)] out Node? node, out int slot)
        {
            node = null;
            slot = 0;
            if (input is not { Kind: JsonKind.Array, Items: [{ Scalar: { } id }, { Kind: JsonKind.Number, Int: { } number }] })
            {
                return false;
            }

            slot = number;
            return Nodes.TryGetValue(id, out node);
        }

        public Node? Linked(Node node, string name) => TryLink(node.Inputs[name], out Node? source, out _) ? source : null;

        /// <summary>The source of a node that passes on its only link, as Reroute does.</summary>
        public Node? OnlyLink(Node node)
        {
            Node? only = null;
            foreach (JsonTree input in node.Inputs.Members.Values)
            {
                if (TryLink(input, out Node? source, out _))
                {
                    if (only is not null)
                    {
                        return null;
                    }

                    only = source;
                }
            }

            return only;
        }

        /// <summary>An input's value, looked up where it is linked to; null if it leads nowhere.</summary>
        public JsonTree? Value(Node node, string name)
        {
            JsonTree? value = node.Inputs[name];
            HashSet<Node>? seen = null;
            while (value is { Kind: JsonKind.Array })
            {
                if (!TryLink(value, out Node? source, out _) || !(seen ??= []).Add(source))
                {
                    return null;
                }

                value = null;
                foreach (string held in ValueNames)
                {
                    value ??= source.Inputs[held];
                }

                if (value is null && OnlyInput(source) is { Kind: JsonKind.Array } passed)
                {
                    value = passed;
                }
            }

            return value;
        }

        private static JsonTree? OnlyInput(Node node) => node.Inputs.Members.Count == 1 ? node.Inputs.Members.Values.First() : null;
    }
}
