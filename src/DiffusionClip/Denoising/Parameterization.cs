using System.Numerics;

namespace DiffusionClip.Denoising;

/// <summary>
/// How a model's output says what x0 and the noise are, once for all schedulers: an equation in sample and output that belongs to one
/// level. Levels are of unit variance (alpha² + sigma² = 1), of exploding variance (alpha = 1) or of a flow (alpha + sigma = 1).
/// </summary>
internal readonly struct Parameterization : IBinaryKernel
{
    private readonly Form _form;
    private readonly float _a;
    private readonly float _b;

    private Parameterization(Form form, float a = 0, float b = 0)
    {
        _form = form;
        _a = a;
        _b = b;
    }

    private enum Form
    {
        /// <summary>out.</summary>
        Output,

        /// <summary>x - a·out.</summary>
        Difference,

        /// <summary>(x - a·out)/b.</summary>
        Quotient,

        /// <summary>a·x + b·out.</summary>
        Sum,

        /// <summary>a·out + x/b.</summary>
        VarianceExploding,
    }

    /// <summary>The clean sample. With s² = alpha² + sigma²:
    /// epsilon (Ho et al. 2020, equation 15): (x - sigma·out)/alpha; v (Salimans and Ho 2022, appendix D): alpha/s²·x - sigma/s·out;
    /// sample: out; flow (Lipman et al. 2022): (x - sigma·out)/(alpha + sigma).</summary>
    public static Parameterization Original(PredictionType type, SignalNoise level)
    {
        (float alpha, float sigma) = (level.Alpha, level.Sigma);
        return type switch
        {
            PredictionType.Epsilon => alpha == 1 ? new(Form.Difference, sigma) : new(Form.Quotient, sigma, alpha),
            PredictionType.VPrediction => IsVarianceExploding(level)
                ? new(Form.VarianceExploding, -sigma / MathF.Sqrt((sigma * sigma) + 1), (sigma * sigma) + 1)
                : new(Form.Sum, alpha, -sigma),
            PredictionType.Sample => new(Form.Output),
            PredictionType.Flow => new(Form.Difference, sigma),
            _ => throw new ArgumentOutOfRangeException(nameof(type)),
        };
    }

    /// <summary>
    /// The noise. Epsilon: out; v: alpha·out + sigma·x on unit variance; sample: (x - alpha·out)/sigma; flow: x + alpha·out.
    /// </summary>
    public static Parameterization Noise(PredictionType type, SignalNoise level)
    {
        (float alpha, float sigma) = (level.Alpha, level.Sigma);
        return type switch
        {
            PredictionType.Epsilon => new(Form.Output),
            PredictionType.VPrediction => IsVarianceExploding(level)
                ? new(Form.Sum, sigma / ((sigma * sigma) + 1), 1 / MathF.Sqrt((sigma * sigma) + 1))
                : new(Form.Sum, sigma, alpha),
            PredictionType.Sample => new(Form.Quotient, alpha, sigma),
            PredictionType.Flow => new(Form.Difference, -alpha),
            _ => throw new ArgumentOutOfRangeException(nameof(type)),
        };
    }

    /// <summary>x - sigma·out, whatever the level's alpha.</summary>
    public static Parameterization Difference(float sigma) => new(Form.Difference, sigma);

    /// <summary>a·x + b·out.</summary>
    public static Parameterization Sum(float a, float b) => new(Form.Sum, a, b);

    /// <inheritdoc/>
    public Vector<float> Invoke(Vector<float> x, Vector<float> y) => _form switch
    {
        Form.Output => y,
        Form.Difference => x - (y * _a),
        Form.Quotient => (x - (y * _a)) / new Vector<float>(_b),
        Form.Sum => (x * _a) + (y * _b),
        _ => (y * _a) + (x / new Vector<float>(_b)),
    };

    /// <summary>Writes the value for every sample and output.</summary>
    public void Write(Span<float> destination, ReadOnlySpan<float> sample, ReadOnlySpan<float> output)
    {
        if (_form == Form.Output)
        {
            output.CopyTo(destination);
        }
        else
        {
            Elementwise.Apply(destination, sample, output, this);
        }
    }

    private static bool IsVarianceExploding(SignalNoise level) => level.Alpha == 1 && level.Sigma > 0;
}
