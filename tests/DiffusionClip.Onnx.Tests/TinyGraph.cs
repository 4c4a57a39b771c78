using System.Text;

namespace DiffusionClip;

/// <summary>Writes small ONNX files, also such as no exporter would.</summary>
internal sealed class TinyGraph
{
    public const int Float = 1, Int32 = 6, Int64 = 7, Half = 10, Double = 11;

    private readonly List<byte[]> _nodes = [];
    private readonly List<byte[]> _inputs = [];
    private readonly List<byte[]> _outputs = [];
    private readonly List<byte[]> _initializers = [];
    private readonly List<byte> _metadata = [];
    private string _domain = "";

    /// <summary>An input; sizes are numbers or names.</summary>
    public TinyGraph Input(string name, int type, params object[] shape)
    {
        _inputs.Add(ValueInfo(name, type, shape));
        return this;
    }

    public TinyGraph Output(string name, int type, params object[] shape)
    {
        _outputs.Add(ValueInfo(name, type, shape));
        return this;
    }

    public TinyGraph Node(string operation, string[] inputs, string output, string domain = "", byte[]? attribute = null)
    {
        _nodes.Add([
            .. inputs.SelectMany(input => Text(1, input)),
            .. Text(2, output),
            .. Text(4, operation),
            .. domain.Length > 0 ? Text(7, domain) : [],
            .. attribute is null ? [] : Message(5, attribute)]);
        _domain = domain.Length > 0 ? domain : _domain;
        return this;
    }

    /// <summary>The attribute of a Cast.</summary>
    public static byte[] To(int type) => [.. Text(1, "to"), .. Number(20, 2), .. Number(3, (ulong)type)];

    /// <summary>A whole-number attribute.</summary>
    public static byte[] IntAttribute(string name, long value) => [.. Text(1, name), .. Number(20, 2), .. Number(3, (ulong)value)];

    public TinyGraph Weight(string name, int type, byte[] data, params long[] shape)
    {
        _initializers.Add([
            .. shape.SelectMany(size => Number(1, (ulong)size)),
            .. Number(2, (ulong)type),
            .. Text(8, name),
            .. Message(9, data),
        ]);
        return this;
    }

    public TinyGraph ExternalWeight(string name, string location, params long[] shape)
    {
        _initializers.Add([
            .. shape.SelectMany(size => Number(1, (ulong)size)), .. Number(2, Float), .. Text(8, name),
            .. Message(13, [.. Text(1, "location"), .. Text(2, location)]), .. Number(14, 1)]);
        return this;
    }

    /// <summary>An entry of metadata_props.</summary>
    public TinyGraph Metadata(string key, string value)
    {
        _metadata.AddRange(Message(14, [.. Text(1, key), .. Text(2, value)]));
        return this;
    }

    public byte[] ToBytes()
    {
        byte[] graph = [
            .. _nodes.SelectMany(node => Message(1, node)),
            .. Text(2, "tiny"),
            .. _initializers.SelectMany(weight => Message(5, weight)),
            .. _inputs.SelectMany(input => Message(11, input)),
            .. _outputs.SelectMany(output => Message(12, output))];
        return [
            .. Number(1, 8),
            .. Message(7, graph),
            .. Message(8, [.. Text(1, ""), .. Number(2, 17)]),
            .. _domain.Length > 0 ? Message(8, [.. Text(1, _domain), .. Number(2, 1)]) : [],
            .. _metadata];
    }

    public void Write(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, ToBytes());
    }

    private static byte[] ValueInfo(string name, int type, object[] shape)
    {
        byte[] dimensions =
        [
            .. shape.SelectMany(size => Message(1, size is string symbol ? Text(2, symbol) : Number(1, (ulong)(int)size))),
        ];
        return [.. Text(1, name), .. Message(2, Message(1, [.. Number(1, (ulong)type), .. Message(2, dimensions)]))];
    }

    private static byte[] Number(int field, ulong value) => [.. Varint((ulong)field << 3), .. Varint(value)];

    private static byte[] Text(int field, string text) => Message(field, Encoding.UTF8.GetBytes(text));

    private static byte[] Message(int field, byte[] content) =>
        [.. Varint(((ulong)field << 3) | 2), .. Varint((ulong)content.Length), .. content];

    private static byte[] Varint(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7)
        {
            bytes.Add((byte)(value | 0x80));
        }

        bytes.Add((byte)value);
        return [.. bytes];
    }
}
