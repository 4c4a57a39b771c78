using DiffusionClip.Runtime;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace DiffusionClip.Onnx;

/// <summary>An input or output of a graph, as the session describes it.</summary>
/// <param name="Name">Its name in the graph.</param>
/// <param name="Type">Element type.</param>
/// <param name="Dimensions">Sizes; -1 where free.</param>
/// <param name="Symbols">Names of free dimensions; empty where fixed or unnamed.</param>
internal sealed record Port(string Name, TensorElementType Type, int[] Dimensions, string[] Symbols)
{
    public int Rank => Dimensions.Length;

    /// <summary>Whether its values are numbers that stand for real numbers.</summary>
    public bool IsReal =>
        Type is TensorElementType.Float or TensorElementType.Float16 or TensorElementType.BFloat16 or TensorElementType.Double;

    /// <summary>Whether its values are whole numbers.</summary>
    public bool IsInteger => Type is TensorElementType.Int32 or TensorElementType.Int64;

    public static Port Of(KeyValuePair<string, NodeMetadata> entry) => entry.Value.IsTensor
        ? new(entry.Key, entry.Value.ElementDataType, entry.Value.Dimensions, entry.Value.SymbolicDimensions)
        : new(entry.Key, TensorElementType.DataTypeMax, [], []);

    /// <summary>A fixed size; null where it is free or the rank is lower. Negative axes count from the end.</summary>
    public int? Fixed(int axis)
    {
        int index = axis < 0 ? Rank + axis : axis;
        return index >= 0 && index < Rank && Dimensions[index] > 0 ? Dimensions[index] : null;
    }

    public override string ToString() =>
        $"{Name} {Type.ToString().ToLowerInvariant()}[{string.Join(",", Dimensions.Select(SizeAt))}]";

    private string SizeAt(int size, int axis) => size > 0
        ? size.ToString(System.Globalization.CultureInfo.InvariantCulture)
        : Symbols.ElementAtOrDefault(axis) is { Length: > 0 } symbol ? symbol : "?";
}

/// <summary>
/// Finds which of a graph's ports plays which role: by the names that exporters give, else by rank and type if only one fits.
/// </summary>
internal sealed class PortMap(OnnxSession session, string purpose, string expectedInputs)
{
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    /// <summary>An input that has to be there.</summary>
    public Port Input(string role, Func<Port, bool> fits, params string[] otherNames) =>
        OptionalInput(role, fits, otherNames)
        ?? Only(session.Inputs.Where(port => !_taken.Contains(port.Name) && fits(port)))
        ?? throw Unmapped($"no input for {role}");

    /// <inheritdoc cref="Input(string, Func{Port, bool}, string[])"/>
    public Port Input(PortSignature role, Func<Port, bool> fits) => Input(role.Name, fits, [.. role.OtherNames]);

    /// <inheritdoc cref="OptionalInput(string, Func{Port, bool}, string[])"/>
    public Port? OptionalInput(PortSignature role, Func<Port, bool> fits) => OptionalInput(role.Name, fits, [.. role.OtherNames]);

    /// <inheritdoc cref="Output(string, Func{Port, bool}, string[])"/>
    public Port Output(PortSignature role, Func<Port, bool> fits) => Output(role.Name, fits, [.. role.OtherNames]);

    /// <summary>An input that some exports have; by name only.</summary>
    public Port? OptionalInput(string role, Func<Port, bool> fits, params string[] otherNames)
    {
        if (session.Inputs.FirstOrDefault(port => port.Name == role) is { } wrong && !fits(wrong))
        {
            throw Unmapped($"{wrong} cannot be {role}");
        }

        Port? found = otherNames.Prepend(role)
            .Select(name => session.Inputs.FirstOrDefault(port => port.Name == name && !_taken.Contains(name) && fits(port)))
            .FirstOrDefault(port => port is not null);
        if (found is not null)
        {
            _taken.Add(found.Name);
        }

        return found;
    }

    /// <summary>An output that has to be there; the first that fits if none has the name.</summary>
    public Port Output(string role, Func<Port, bool> fits, params string[] otherNames) =>
        OptionalOutput(fits, [role, .. otherNames])
        ?? session.Outputs.FirstOrDefault(fits)
        ?? throw Unmapped($"no output for {role}");

    /// <summary>An output that some exports have; by name only.</summary>
    public Port? OptionalOutput(Func<Port, bool> fits, params string[] names) => names
        .Select(name => session.Outputs.FirstOrDefault(port => port.Name == name && fits(port)))
        .FirstOrDefault(port => port is not null);

    /// <summary>Fails if the graph wants more than the roles that were asked for.</summary>
    public void RefuseOthers()
    {
        if (session.Inputs.FirstOrDefault(port => !_taken.Contains(port.Name)) is { } unknown)
        {
            throw Unmapped($"input {unknown} has no known role");
        }
    }

    public ModelFolderException Unmapped(string problem) =>
        new(
            session.Path,
            $"cannot be used as {purpose}: {problem}; expected inputs {expectedInputs}; found inputs {string.Join(", ", session.Inputs)} and outputs {string.Join(", ", session.Outputs)}"
        );

    private Port? Only(IEnumerable<Port> candidates)
    {
        Port[] all = [.. candidates.Take(2)];
        if (all.Length != 1)
        {
            return null;
        }

        _taken.Add(all[0].Name);
        return all[0];
    }
}
